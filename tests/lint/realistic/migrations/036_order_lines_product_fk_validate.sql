-- description: And for the lines that were there
alter table order_lines validate constraint order_lines_sku_fkey;
