-- description: A phone number; empty until the customer gives one
alter table customers add column phone text;
alter table customers add constraint customers_phone_check check (phone ~ '^\+[0-9]{6,15}$') not valid;
