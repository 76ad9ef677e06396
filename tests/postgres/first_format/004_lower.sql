update users set name = lower(name)
where id in (select id from users where id > :cursor order by id limit :size)
returning id;
