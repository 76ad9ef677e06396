-- description: Sales by day, for the dashboard
create materialized view sales_by_day as
select date_trunc('day', placed_at) as day, count(*) as orders, sum(total_cents) as total_cents
from orders
where status <> 'cancelled'
group by 1
with no data;
create unique index sales_by_day_day_idx on sales_by_day (day);
refresh materialized view sales_by_day;
