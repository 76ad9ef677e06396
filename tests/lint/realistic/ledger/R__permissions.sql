-- Who may do what; written anew whenever this file changes
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO ledger_ro;
GRANT SELECT, INSERT, UPDATE ON ledger."Account" TO ledger_app;
ALTER DEFAULT PRIVILEGES FOR ROLE ledger_owner IN SCHEMA ledger GRANT SELECT ON SEQUENCES TO ledger_ro;
