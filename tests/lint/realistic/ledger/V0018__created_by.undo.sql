ALTER TABLE ledger."Account" DROP COLUMN created_by, DROP COLUMN touched_at;
