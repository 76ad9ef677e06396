drop trigger orders_set_updated_at on orders;
alter table orders drop column updated_at;
