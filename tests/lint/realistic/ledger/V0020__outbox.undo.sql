DROP EVENT TRIGGER no_drops;
DROP TABLE ledger.outbox;
DROP FUNCTION ledger.announce();
