DROP POLICY own_rows ON ledger."Account";
ALTER TABLE ledger."Account" DISABLE ROW LEVEL SECURITY;
ALTER TABLE ledger."Account" DROP COLUMN tenant_id;
