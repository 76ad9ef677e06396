-- description: The first counting
copy stock (sku, quantity) from stdin with (format csv);
a-1,10
"b;2",5
\.
