alter table orders drop constraint orders_channel_not_null;
