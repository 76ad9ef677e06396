DROP TABLE ledger."Account";
DROP SEQUENCE IF EXISTS ledger.account_number_seq;
DROP DOMAIN ledger.iso_currency;
DROP TYPE ledger.account_kind;
