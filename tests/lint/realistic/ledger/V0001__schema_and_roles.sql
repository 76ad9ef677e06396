/*
 * The ledger's own schema; the service connects as ledger_app, people read as ledger_ro.
 */
CREATE SCHEMA IF NOT EXISTS ledger;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'ledger_ro') THEN
        CREATE ROLE ledger_ro NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object THEN NULL;
END
$$;
GRANT USAGE ON SCHEMA ledger TO ledger_ro;
ALTER DEFAULT PRIVILEGES IN SCHEMA ledger GRANT SELECT ON TABLES TO ledger_ro;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
COMMENT ON SCHEMA ledger IS 'Double-entry bookkeeping; see docs/ledger.md';
