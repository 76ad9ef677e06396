ALTER TABLE ledger."Account" DROP CONSTRAINT tenant_known;
