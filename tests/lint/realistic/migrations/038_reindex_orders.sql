-- description: The index has grown to three times its size
reindex index concurrently orders_customer_id_idx;
