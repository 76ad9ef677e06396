drop materialized view sales_by_day;
