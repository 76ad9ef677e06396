alter table customers drop constraint customers_phone_check;
alter table customers drop column phone;
