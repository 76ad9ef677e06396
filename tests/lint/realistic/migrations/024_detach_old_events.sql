-- description: Takes the first month out of the way while the table is in use
alter table events detach partition events_2026_01 concurrently;
