drop function append_event;
drop table events;
drop function events_refuse_change;
