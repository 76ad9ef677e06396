drop index concurrently order_lines_sku_idx;
