-- description: The users as they are now, kept from their events
-- date: 2026-11-23

create table users_projection (
    user_id text primary key,
    display_name text not null,
    email text,
    is_system boolean not null default false,
    registered_at timestamptz not null,
    changed_at timestamptz not null,
    position bigint not null
);

comment on table users_projection is 'One row a user; can be emptied and built again from events';
comment on column users_projection.user_id is 'aggregate_id of the user''s events';
comment on column users_projection.display_name is 'What others see';
comment on column users_projection.email is 'Where the user is written to; none for a system user';
comment on column users_projection.is_system is 'Whether it is a program''s account, which nobody logs in to';
comment on column users_projection.registered_at is 'When the user was registered';
comment on column users_projection.changed_at is 'When the last event of the user was appended';
comment on column users_projection.position is 'Position of the last event that is in this row';

create unique index users_projection_email_is_unique on users_projection (lower(email));

create function users_projection_apply(event events) returns void
    language plpgsql
    as $function$
begin
    case event.event_type
        when 'user.registered' then
            insert into users_projection (user_id, display_name, email, is_system, registered_at, changed_at, position)
            values (
                event.aggregate_id,
                event.event_data ->> 'display_name',
                event.event_data ->> 'email',
                coalesce((event.event_data ->> 'is_system')::boolean, false),
                event.created_at,
                event.created_at,
                event.position
            );
        when 'user.display_name_changed', 'user.email_changed' then
            update users_projection
            set
                display_name = coalesce(event.event_data ->> 'display_name', display_name),
                email = coalesce(event.event_data ->> 'email', email),
                changed_at = event.created_at,
                position = event.position
            where user_id = event.aggregate_id and position < event.position;
        when 'user.removed' then
            delete from users_projection where user_id = event.aggregate_id;
        else
            null; -- an event this projection does not show
    end case;
end
$function$;

comment on function users_projection_apply is 'Brings one user''s row up to an event';

create function users_projection_follow() returns trigger
    language plpgsql
    as $function$
begin
    perform users_projection_apply(new);
    return null;
end
$function$;

create trigger users_projection_follow
    after insert on events
    for each row when (new.aggregate_type = 'user') execute function users_projection_follow();

-- What happened before this projection existed.
select users_projection_apply(event)
from (select * from events where aggregate_type = 'user' order by position) as event;
