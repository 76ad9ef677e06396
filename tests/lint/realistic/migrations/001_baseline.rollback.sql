drop table public.countries;
drop table public.customers;
