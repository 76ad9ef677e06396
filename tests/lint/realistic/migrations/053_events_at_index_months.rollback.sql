drop index concurrently events_2026_02_at_idx;
drop index concurrently events_2026_03_at_idx;
