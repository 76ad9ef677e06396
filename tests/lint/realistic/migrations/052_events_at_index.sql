-- description: An index over all months, empty until those of the months are attached to it
create index events_at_idx on only events (at);
