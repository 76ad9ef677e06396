-- description: Who changed what, in a schema of its own
create schema audit;
create table audit.changes (
    id bigint generated always as identity primary key,
    table_name text not null,
    row_before jsonb,
    row_after jsonb,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null default session_user
);
create function audit.note() returns trigger
    language plpgsql
    security definer
    set search_path = audit, pg_temp
    as $$
begin
    insert into audit.changes (table_name, row_before, row_after)
    values (tg_table_name, to_jsonb(old), to_jsonb(new));
    return null;
end;
$$;
revoke all on schema audit from public;
