-- description: Where an order came from
create type order_channel as enum ('web', 'shop', 'phone');
alter table orders add column channel order_channel;
