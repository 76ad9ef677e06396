drop table refunds;
drop domain money_cents;
