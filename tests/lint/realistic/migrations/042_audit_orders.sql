-- description: Writes down the changes of orders
create trigger orders_audit after insert or update or delete on orders
    for each row execute function audit.note();
