create or replace view active as select id, name from users;
