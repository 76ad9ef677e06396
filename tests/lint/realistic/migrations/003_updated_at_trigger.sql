-- description: Keeps updated_at of every table that has it
create function set_updated_at() returns trigger
    language plpgsql
    as $$
begin
    new.updated_at = now();
    return new; -- semicolons; in bodies; are no ends
end;
$$;
