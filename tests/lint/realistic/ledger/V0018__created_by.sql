-- Who made an account; new rows get a default at no cost
ALTER TABLE ledger."Account" ADD COLUMN created_by text NOT NULL DEFAULT 'system';
ALTER TABLE ledger."Account" ADD COLUMN touched_at timestamptz DEFAULT now();
ALTER TABLE ledger."Account" ALTER COLUMN label SET STATISTICS 500, ALTER COLUMN touched_at SET DEFAULT clock_timestamp();
