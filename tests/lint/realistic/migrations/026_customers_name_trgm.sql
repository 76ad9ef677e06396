-- description: Finds customers by parts of their names
create index concurrently customers_name_trgm_idx on customers using gin (name gin_trgm_ops);
