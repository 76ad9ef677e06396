-- description: Numbers that people can read
create sequence order_numbers start 100000;
alter table orders add column number bigint;
alter table orders alter column number set default nextval('order_numbers');
