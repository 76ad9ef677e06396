alter table users add column id int;
