-- description: The indexes of the months, one after the other, while rows come in
create index concurrently events_2026_02_at_idx on events_2026_02 (at);
create index concurrently events_2026_03_at_idx on events_2026_03 (at);
