-- description: Makes the index a constraint; needs a moment's lock only
alter table customers
    add constraint customers_name_created_at_unique unique using index customers_name_created_at_key;
