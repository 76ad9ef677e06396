drop procedure book(text, integer);
drop table stock;
