DROP PROCEDURE ledger.close_dormant(date);
