-- Each tenant sees its own accounts
ALTER TABLE ledger."Account" ADD COLUMN tenant_id integer;
ALTER TABLE ledger."Account" ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON ledger."Account" AS PERMISSIVE FOR ALL TO PUBLIC
    USING (tenant_id = current_setting('ledger.tenant', true)::integer)
    WITH CHECK (tenant_id = current_setting('ledger.tenant', true)::integer);
