-- description: Nothing has read is_legacy since version 4 of the service
alter table customers drop column if exists is_legacy;
