DROP INDEX CONCURRENTLY IF EXISTS ledger.account_tenant_idx;
