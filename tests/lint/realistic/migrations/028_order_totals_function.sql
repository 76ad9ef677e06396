-- description: The total of an order, in the SQL standard's form
create function order_total(wanted bigint) returns numeric
    language sql
    stable
    begin atomic
        select coalesce(sum(quantity * price), 0) from order_lines where order_id = wanted;
    end;
