alter table events detach partition events_2026_03;
drop table events_2026_03;
