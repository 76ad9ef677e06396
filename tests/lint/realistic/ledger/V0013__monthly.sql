-- What a month came to, refreshed by night
CREATE MATERIALIZED VIEW ledger.monthly AS
    SELECT account_id, date_trunc('month', booked_at) AS month, sum(amount) AS total, count(*) FILTER (WHERE amount < 0) AS debits
      FROM ledger.entry GROUP BY 1, 2
WITH NO DATA;
CREATE UNIQUE INDEX monthly_uq ON ledger.monthly (account_id, month);
CREATE OR REPLACE VIEW ledger.open_account WITH (security_barrier) AS
    SELECT * FROM ledger."Account" WHERE closed_on IS NULL WITH LOCAL CHECK OPTION;
CREATE RULE no_delete AS ON DELETE TO ledger.open_account DO INSTEAD NOTHING;
