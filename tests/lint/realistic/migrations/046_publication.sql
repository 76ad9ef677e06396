-- description: What the data warehouse follows
create publication warehouse for table orders, order_lines;
