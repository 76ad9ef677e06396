-- The rows are read while others write
ALTER TABLE ledger."Account" VALIDATE CONSTRAINT tenant_known;
