-- description: The currency of an order; euro for those there are
alter table orders add column currency text not null default 'EUR';
