-- What keeps facts from being changed. Every name is qualified; :schema stands for the tracking schema.

create or replace function :schema.migration_events_refuse_change() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
    as $function$
begin
    raise exception 'migration_events is append-only: % is refused', pg_catalog.lower(tg_op)
        using errcode = 'restrict_violation',
            hint = 'append a fact instead, for example with zmig resolve';
end
$function$;

drop trigger if exists append_only on :schema.migration_events;
create trigger append_only before update or delete or truncate on :schema.migration_events
    for each statement execute function :schema.migration_events_refuse_change();
alter table :schema.migration_events enable always trigger append_only; -- in sessions of replication too
