-- description: Settings of the shop, with those that it starts with
create table settings (
    key text primary key,
    value jsonb not null
);
insert into settings (key, value)
select key, to_jsonb(value)
from (values ('currency', 'EUR'), ('locale', 'de')) as defaults (key, value);
