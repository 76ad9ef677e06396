-- description: Takes stray white space out of display names; due whenever an import has brought some in
-- date: 2026-11-23

select append_event(
    'user',
    user_id,
    'user.display_name_changed',
    jsonb_build_object('display_name', tidy, 'previous', display_name, 'reason', '091_fix_display_names')
)
from users_projection, btrim(regexp_replace(display_name, '\s+', ' ', 'g')) as tidy
where display_name <> tidy;
