drop function order_total;
