-- CONCURRENTLY, since the table is in use all day
CREATE INDEX CONCURRENTLY account_tenant_idx ON ledger."Account" (tenant_id, number);
