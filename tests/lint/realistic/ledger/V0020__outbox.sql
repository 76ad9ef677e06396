-- description: An outbox, and who is told of it
CREATE UNLOGGED TABLE ledger.outbox (id bigserial PRIMARY KEY, topic text NOT NULL, body jsonb NOT NULL);
CREATE OR REPLACE FUNCTION ledger.announce() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_notify(''outbox'', NEW.topic); RETURN NULL; END';
CREATE TRIGGER announce AFTER INSERT ON ledger.outbox REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger.announce();
ALTER TABLE ledger.outbox SET LOGGED;
CREATE EVENT TRIGGER no_drops ON sql_drop WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION ledger.refuse_drops();
ALTER EVENT TRIGGER no_drops DISABLE;
