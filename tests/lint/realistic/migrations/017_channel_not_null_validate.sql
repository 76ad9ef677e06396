-- description: And of all orders that were there before
alter table orders validate constraint orders_channel_not_null;
