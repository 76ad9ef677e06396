-- description: Undoes 090_reporting_views
-- date: 2026-11-23

drop view report_activity;
drop view report_registrations;
