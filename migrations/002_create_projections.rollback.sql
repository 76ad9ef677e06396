-- description: Undoes 002_create_projections
-- date: 2026-11-23

drop trigger users_projection_follow on events;
drop function users_projection_follow;
drop function users_projection_apply;
drop table users_projection;
