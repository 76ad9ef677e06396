DROP VIEW ledger.open_account;
DROP MATERIALIZED VIEW ledger.monthly;
