-- description: The views that reports read
create or replace view open_orders as
select id, customer_id, placed_at from orders where status in ('new', 'paid');

create or replace function customer_label(wanted bigint) returns text
    language sql stable
    as 'select coalesce(name, email) from customers where id = wanted';

drop view if exists customer_totals;
create view customer_totals as
select customer_id, sum(total_cents) as total_cents from orders group by customer_id;
grant select on customer_totals to reporting;
