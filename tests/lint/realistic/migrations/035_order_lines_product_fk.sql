-- description: Every line is of a product, checked for new lines first
alter table order_lines
    add constraint order_lines_sku_fkey foreign key (sku) references products (sku) not valid;
