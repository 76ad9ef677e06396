alter table orders drop column number;
drop sequence order_numbers;
