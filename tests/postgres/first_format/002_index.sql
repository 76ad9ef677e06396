create index concurrently users_name on users (name);
