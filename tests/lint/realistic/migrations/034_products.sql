-- description: Products, from the skus that were ordered
create table products (
    sku text primary key,
    title text not null default '',
    is_active boolean not null default true,
    search tsvector generated always as (to_tsvector('simple', title)) stored
);
insert into products (sku)
select distinct sku from order_lines;
create index products_search_idx on products using gin (search);
