-- description: The length is checked by the service
alter table customers alter column name type text;
