-- description: Orders and their lines
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers (id),
    status text not null default 'new' check (status in ('new', 'paid', 'shipped', 'cancelled')),
    placed_at timestamptz not null default now(),
    total_cents bigint not null check (total_cents >= 0)
);
create index orders_customer_id_idx on orders (customer_id);
create index orders_open_idx on orders (placed_at) where status in ('new', 'paid');

create table order_lines (
    order_id bigint not null references orders on delete cascade,
    line smallint not null,
    sku text not null,
    quantity integer not null check (quantity > 0),
    price numeric(12, 2) not null,
    primary key (order_id, line)
);
comment on table order_lines is 'One row a product of an order';
