-- description: The views that reports read; edit them here, they are made anew whenever this file has changed
-- date: 2026-11-23

set local client_min_messages = warning; -- the first time there is nothing to drop, which is no news
drop view if exists report_registrations;
drop view if exists report_activity;

create view report_registrations as
select
    date_trunc('week', registered_at at time zone 'utc')::date as week,
    count(*) as registered,
    sum(count(*)) over (order by date_trunc('week', registered_at at time zone 'utc')) as registered_so_far
from users_projection
where not is_system
group by date_trunc('week', registered_at at time zone 'utc');

comment on view report_registrations is 'Users by the week (UTC) in which they were registered';

create view report_activity as
select
    (created_at at time zone 'utc')::date as day,
    aggregate_type,
    event_type,
    count(*) as events,
    count(distinct aggregate_id) as aggregates
from events
group by (created_at at time zone 'utc')::date, aggregate_type, event_type;

comment on view report_activity is 'Events by day (UTC) and type';
