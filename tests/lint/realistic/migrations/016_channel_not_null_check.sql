-- description: The channel is known from now on
alter table orders add constraint orders_channel_not_null check (channel is not null) not valid;
