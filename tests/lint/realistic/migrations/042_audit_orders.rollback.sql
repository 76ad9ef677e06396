drop trigger orders_audit on orders;
