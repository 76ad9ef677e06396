-- description: What is in stock, with a procedure that books it
create table stock (
    sku text primary key,
    quantity integer not null default 0,
    constraint stock_not_negative check (quantity >= 0)
);
create procedure book(wanted text, amount integer)
    language plpgsql
    as $body$
begin
    update stock set quantity = quantity - amount where sku = wanted;
    if not found then
        raise exception 'no stock of %', wanted using errcode = 'no_data_found';
    end if;
end;
$body$;
