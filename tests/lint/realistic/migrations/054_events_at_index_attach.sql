-- description: Makes the index over all months valid
alter index events_at_idx attach partition events_2026_02_at_idx;
alter index events_at_idx attach partition events_2026_03_at_idx;
