-- Expand and contract: the constraint first, which is checked in V0009
ALTER TABLE ledger."Account" ADD CONSTRAINT tenant_known CHECK (tenant_id IS NOT NULL) NOT VALID;
