-- description: One account an address, whatever its case
create unique index concurrently customers_email_lower_key on customers (lower(email));
