-- description: The event store: everything that ever happened, one row an event, never changed
-- date: 2026-11-23

create table events (
    position bigint generated always as identity primary key,
    aggregate_type text not null check (aggregate_type <> ''),
    aggregate_id text not null check (aggregate_id <> ''),
    sequence bigint not null check (sequence > 0),
    event_type text not null check (event_type <> ''),
    event_data jsonb not null default '{}' check (jsonb_typeof(event_data) = 'object'),
    created_at timestamptz not null default now(),
    constraint events_sequence_is_unique unique (aggregate_type, aggregate_id, sequence)
);

comment on table events is 'What happened, append-only; the state of an aggregate is its events in the order of their sequence';
comment on column events.position is 'Order over all aggregates, in which projections read';
comment on column events.aggregate_type is 'What kind of thing it happened to, such as user';
comment on column events.aggregate_id is 'Which one of that kind';
comment on column events.sequence is 'Number of the event within its aggregate, without gaps from 1';
comment on column events.event_type is 'What happened, such as user.registered';
comment on column events.event_data is 'The particulars, an object';
comment on column events.created_at is 'When it was appended';

create index events_by_type on events (event_type, position);
create index events_by_time on events using brin (created_at);

create function events_refuse_change() returns trigger
    language plpgsql
    as $function$
begin
    raise exception 'events are append-only: % is refused', lower(tg_op)
        using errcode = 'restrict_violation', hint = 'append an event that corrects the earlier one';
end
$function$;

create trigger append_only
    before update or delete or truncate on events
    for each statement execute function events_refuse_change();

-- A writer that names the sequence it has seen fails if somebody else was faster; without one it appends in any case.
create function append_event(
    aggregate_type text,
    aggregate_id text,
    event_type text,
    event_data jsonb default '{}',
    expected_sequence bigint default null
) returns bigint
    language sql
    as $function$
    insert into events (aggregate_type, aggregate_id, sequence, event_type, event_data)
    select
        append_event.aggregate_type,
        append_event.aggregate_id,
        coalesce(append_event.expected_sequence, max(earlier.sequence), 0) + 1,
        append_event.event_type,
        append_event.event_data
    from events as earlier
    where earlier.aggregate_type = append_event.aggregate_type and earlier.aggregate_id = append_event.aggregate_id
    returning sequence
$function$;

comment on function append_event is 'Appends an event to an aggregate and returns its sequence';
