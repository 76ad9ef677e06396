create schema shop;
create schema "Odd ""schema""";
create extension citext schema shop;
create extension hstore;
create extension postgres_fdw;
create type shop.mood as enum ('fine', 'it''s bad', 'ü');
create type shop.pair as (a int, "B b" text);
create type shop.span as range (subtype = float8);
create domain shop.percent as numeric(5, 2) default 0 check (value between 0 and 100) not null;
create collation shop.octets from "C";
create sequence shop.numbers start 7 increment 3 cycle maxvalue 1000;
create table shop.people (
    id bigint generated always as identity (start 100) primary key,
    name shop.citext not null unique,
    mood shop.mood default 'fine',
    pairs shop.pair[],
    share shop.percent,
    doc jsonb default '{"a": [1, "\\."]}',
    raw bytea,
    born date,
    twice int generated always as (length(name) * 2) stored,
    constraint "name; not -- empty" check (name <> '')
);
comment on table shop.people is E'People; "quoted" -- and\nover ''two'' lines \\ $$';
comment on column shop.people.doc is '/* no comment';
alter table shop.people alter column raw set storage external, alter column doc set statistics 500;
create table shop.staff (salary numeric) inherits (shop.people);
alter table shop.staff add constraint cheap check (salary < 1e6) not valid;
create table shop.events (id bigint, at timestamptz not null, span shop.span, primary key (id, at)) partition by range (at);
create table shop.events_old partition of shop.events for values from (minvalue) to ('2025-01-01');
create table shop.events_new partition of shop.events default partition by hash (id);
create table shop.events_new_0 partition of shop.events_new for values with (modulus 1, remainder 0);
create index events_at on shop.events using brin (at) with (pages_per_range = 8);
create table "Odd ""schema"""."Tab
le" ("co""l" int references shop.people, "select" text collate shop.octets, exclude using gist (int4range("co""l", "co""l", '[]') with &&));
create unlogged table shop.cache (key text primary key, value text) with (fillfactor = 50);
alter table shop.cache cluster on cache_pkey;
alter table shop.people replica identity full;
create unique index people_low on shop.people (lower(name::text) text_pattern_ops, born desc nulls last) include (mood) where mood <> 'ü';
create statistics shop.together (dependencies, ndistinct) on name, mood from shop.people;
create view shop.names with (security_barrier) as select id, name from shop.people where mood = 'fine' with local check option;
create materialized view shop.counts as select mood, count(*) from shop.people group by mood with no data;
create unique index counts_mood on shop.counts (mood);
create rule no_delete as on delete to shop.names do instead nothing;
create function shop.touch() returns trigger language plpgsql as $fn$
begin
    new.share := coalesce(new.share, 1); -- a ; and a $$ and 'quote
    return new;
end
$fn$;
create trigger touch before insert or update of name on shop.people for each row when (new.mood is not null) execute function shop.touch();
create constraint trigger later after insert on shop.people deferrable initially deferred for each row execute function shop.touch();
alter table shop.people disable trigger later;
create function shop.total(a int, variadic b int[]) returns bigint language sql immutable strict parallel safe as $$ select a + sum(x) from unnest(b) x $$;
create procedure shop.tidy(inout n int) language plpgsql as 'begin delete from shop.cache; n := 1; commit; end';
create aggregate shop.product(numeric) (sfunc = numeric_mul, stype = numeric, initcond = '1');
create operator shop.=== (leftarg = text, rightarg = text, function = texteq, commutator = operator(shop.===));
create cast (shop.mood as int) with inout as assignment;
create text search configuration shop.plain (copy = simple);
create foreign data wrapper nothing options (debug 'true');
create server elsewhere foreign data wrapper postgres_fdw options (host 'db; drop', dbname 'x');
create foreign table shop.far (id int options (column_name 'ID')) server elsewhere;
create user mapping for public server elsewhere options (user 'u', password 'p''w');
alter table shop.people enable row level security;
create policy own on shop.people as restrictive for select using (name = current_user) ;
create publication everything for table shop.people, shop.staff with (publish = 'insert');
create function shop.watch() returns event_trigger language plpgsql as $$ begin raise debug '%', tg_tag; end $$;
create event trigger watch on ddl_command_end when tag in ('CREATE FUNCTION') execute function shop.watch();
alter default privileges in schema shop grant select on tables to public;
grant select (id, name), update (mood) on shop.people to public;
revoke execute on function shop.total(int, int[]) from public;
insert into shop.people (name, mood, pairs, raw, born) values
    ('Ann', 'fine', array[row(1, 'x"y')::shop.pair], '\x00ff', '2001-02-03'),
    (E'tab\there', 'it''s bad', null, null, null),
    (E'line\nend \\. back\\slash', 'ü', '{}', '', '-infinity');
insert into shop.people (name) select 'bulk ' || n from generate_series(1, 500) n;
insert into shop.staff (id, name, salary) values (9000, 'Bob', 3);
insert into shop.events select n, '2024-06-01'::timestamptz + n * interval '10 days', shop.span(n, n + 1) from generate_series(1, 40) n;
insert into "Odd ""schema"""."Tab
le" values (100, 'from'), (101, null);
insert into shop.cache values ('\.', E'\\.\n\\N');
refresh materialized view shop.counts;
select nextval('shop.numbers'), nextval('shop.numbers');
select lo_from_bytea(4711, convert_to(repeat('a; ''large'' object ', 3000), 'utf8'));
comment on large object 4711 is 'large';
