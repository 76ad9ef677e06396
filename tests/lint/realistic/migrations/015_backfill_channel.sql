-- description: Orders without a channel came from the web; in batches, so that no row is locked for long
do $$
declare
    changed bigint;
begin
    loop
        update orders set channel = 'web'
        where id in (select id from orders where channel is null limit 5000 for update skip locked);
        get diagnostics changed = row_count;
        exit when changed = 0;
        commit;
    end loop;
end;
$$;
