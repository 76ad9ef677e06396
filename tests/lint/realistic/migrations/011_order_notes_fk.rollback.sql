drop table order_notes;
