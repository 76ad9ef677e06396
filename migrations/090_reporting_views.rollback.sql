drop view report_activity;
drop view report_registrations;
