ALTER TABLE ledger."Account" ALTER COLUMN tenant_id DROP NOT NULL;
