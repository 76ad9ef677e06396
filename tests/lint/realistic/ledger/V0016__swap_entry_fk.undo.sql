ALTER TABLE ledger."Account" DROP COLUMN replaced_by;
