-- description: Takes the constraint's word for it, without reading the table
alter table orders alter column channel set not null;
alter table orders drop constraint orders_channel_not_null;
