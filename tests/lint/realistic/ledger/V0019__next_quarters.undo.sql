DROP TABLE ledger.entry_2027q1;
