-- description: What happened, by month
create table events (
    id bigint generated always as identity,
    at timestamptz not null default now(),
    kind text not null,
    payload jsonb not null default '{}',
    primary key (id, at)
) partition by range (at);
create table events_2026_01 partition of events for values from ('2026-01-01') to ('2026-02-01');
create table events_2026_02 partition of events for values from ('2026-02-01') to ('2026-03-01');
create index events_kind_at_idx on events (kind, at desc);
create index events_payload_idx on events using gin (payload jsonb_path_ops);
