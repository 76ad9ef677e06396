-- description: The foreign key's own index
create index concurrently order_lines_sku_idx on order_lines (sku);
