-- description: Undoes 091_fix_display_names: gives back the names of users whose latest name comes from it
-- date: 2026-11-23

select append_event(
    'user',
    user_id,
    'user.display_name_changed',
    jsonb_build_object('display_name', latest.event_data ->> 'previous', 'reason', 'rollback of 091_fix_display_names')
)
from
    users_projection,
    lateral (
        select event_data
        from events
        where aggregate_type = 'user' and aggregate_id = user_id and event_type = 'user.display_name_changed'
        order by sequence desc
        limit 1
    ) as latest
where latest.event_data ->> 'reason' = '091_fix_display_names';
