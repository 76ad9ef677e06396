DROP AGGREGATE ledger.last_memo(text);
DROP FUNCTION ledger.balance;
