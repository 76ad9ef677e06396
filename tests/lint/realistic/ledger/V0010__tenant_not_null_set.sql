-- The constraint proves it, so nothing is read
ALTER TABLE ledger."Account" ALTER COLUMN tenant_id SET NOT NULL;
ALTER TABLE ledger."Account" DROP CONSTRAINT tenant_known;
