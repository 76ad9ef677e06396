-- description: Undoes 001_create_eventstore
-- date: 2026-11-23

drop function append_event;
drop table events;
drop function events_refuse_change;
