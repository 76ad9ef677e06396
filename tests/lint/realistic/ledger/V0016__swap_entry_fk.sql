-- NOT VALID takes a short lock only; the rows are checked in V0017
ALTER TABLE ledger."Account" ADD COLUMN IF NOT EXISTS replaced_by uuid;
ALTER TABLE ledger."Account"
    ADD CONSTRAINT account_replaced_by_fkey FOREIGN KEY (replaced_by) REFERENCES ledger."Account" NOT VALID;
