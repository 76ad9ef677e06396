-- What the range constraint below needs
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;
CREATE TABLE ledger.rate (
    currency ledger.iso_currency NOT NULL,
    valid    tstzrange NOT NULL,
    rate     numeric NOT NULL,
    EXCLUDE USING gist (currency WITH =, valid WITH &&)
);
COPY ledger.rate (currency, valid, rate) FROM stdin WITH (FORMAT csv, DELIMITER '|');
EUR|"[2025-01-01,2025-07-01)"|1.0
USD|"[2025-01-01,)"|1.08
\.
INSERT INTO ledger.rate SELECT 'GBP', tstzrange('2025-01-01', NULL), .84 ON CONFLICT DO NOTHING;
ANALYZE ledger.rate;
