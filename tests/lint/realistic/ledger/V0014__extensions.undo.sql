DROP TABLE ledger.rate;
