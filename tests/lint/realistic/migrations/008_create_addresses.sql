-- description: Where customers live, and a first address for each
create table addresses (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers (id) on delete cascade,
    country_code text not null references countries (code),
    street text not null,
    city text not null,
    is_default boolean not null default false
);
create index addresses_customer_idx on addresses (customer_id);
create unique index addresses_one_default_idx on addresses (customer_id) where is_default;
