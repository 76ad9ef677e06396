DROP TABLE ledger.entry CASCADE;
