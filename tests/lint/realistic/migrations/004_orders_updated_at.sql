-- description: When an order was last changed; a constant default does not rewrite the table
alter table orders add column updated_at timestamptz not null default now();
create trigger orders_set_updated_at before update on orders for each row execute function set_updated_at();
