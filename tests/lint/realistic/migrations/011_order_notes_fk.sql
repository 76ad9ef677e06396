-- description: Notes of the staff on orders
create table order_notes (
    id bigint generated always as identity primary key,
    order_id bigint not null,
    author text not null,
    body text not null,
    created_at timestamptz not null default now()
);
alter table order_notes add constraint order_notes_order_id_fkey foreign key (order_id) references orders (id);
create index order_notes_order_id_idx on order_notes (order_id);
