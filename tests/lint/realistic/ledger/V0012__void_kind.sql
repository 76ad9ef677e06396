-- One more kind, which the next release writes
ALTER TYPE ledger.account_kind ADD VALUE IF NOT EXISTS 'suspense' BEFORE 'income';
