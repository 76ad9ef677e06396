alter table order_lines drop constraint order_lines_sku_fkey;
