-- description: The unique index that the constraint of the next migration takes over
set statement_timeout = 0;
create unique index concurrently customers_name_created_at_key on customers (name, created_at);
reset statement_timeout;
