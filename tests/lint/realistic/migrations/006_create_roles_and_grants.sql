-- description: What the reporting role may read
grant usage on schema public to reporting;
grant select on all tables in schema public to reporting;
alter default privileges in schema public grant select on tables to reporting;
