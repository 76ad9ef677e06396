-- description: as promised
ALTER TABLE ledger."Account" VALIDATE CONSTRAINT account_replaced_by_fkey;
