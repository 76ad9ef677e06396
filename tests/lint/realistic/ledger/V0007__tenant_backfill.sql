-- Every account belongs to the first tenant until somebody says otherwise
UPDATE ledger."Account" SET tenant_id = 1
 WHERE "accountId" IN (SELECT "accountId" FROM ledger."Account" WHERE tenant_id IS NULL LIMIT :size);
