-- description: Amounts of money as one type
create domain money_cents as bigint;
create table refunds (
    id uuid primary key default gen_random_uuid(),
    order_id bigint not null references orders,
    amount money_cents not null,
    reason text
);
create index on refunds (order_id);
