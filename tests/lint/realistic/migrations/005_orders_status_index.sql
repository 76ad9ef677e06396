-- description: The list of open orders by status; built while the table is in use
create index concurrently orders_status_placed_at_idx on orders (status, placed_at);
