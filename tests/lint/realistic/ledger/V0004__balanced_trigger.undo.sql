DROP TRIGGER refuse_closed ON ledger.entry;
DROP FUNCTION ledger.refuse_closed();
