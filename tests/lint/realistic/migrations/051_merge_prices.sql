-- description: Prices from the import
create temporary table prices (sku text, title text) on commit drop;
copy prices from stdin;
a-1	Chair
b-2	Table
\.
merge into products using prices on products.sku = prices.sku
when matched then update set title = prices.title
when not matched then insert (sku, title) values (prices.sku, prices.title);
