-- description: No plan has used them for a year
drop index concurrently if exists orders_open_idx;
drop index concurrently if exists orders_status_placed_at_idx;
