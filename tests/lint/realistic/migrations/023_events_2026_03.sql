-- description: The next month
create table events_2026_03 (like events including defaults including constraints);
alter table events_2026_03 add constraint events_2026_03_at check (at >= '2026-03-01' and at < '2026-04-01');
alter table events attach partition events_2026_03 for values from ('2026-03-01') to ('2026-04-01');
alter table events_2026_03 drop constraint events_2026_03_at;
