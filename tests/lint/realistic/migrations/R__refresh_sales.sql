-- description: Sales are counted anew every night
refresh materialized view concurrently sales_by_day;
