-- Views that follow the code
DROP VIEW IF EXISTS ledger.trial_balance;
CREATE VIEW ledger.trial_balance AS SELECT a.number, ledger.balance(a."accountId") FROM ledger."Account" a;
