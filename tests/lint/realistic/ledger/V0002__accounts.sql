-- Accounts, with their kind as an enumeration and a code that sorts
SET LOCAL search_path TO ledger, public;

CREATE TYPE account_kind AS ENUM ('asset', 'liability', 'equity', 'income', 'expense');
CREATE DOMAIN iso_currency AS text CHECK (VALUE ~ '^[A-Z]{3}$');
CREATE SEQUENCE account_number_seq AS bigint START 100000 INCREMENT 10 CACHE 20;

CREATE TABLE "Account" (
    "accountId"  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    number       bigint NOT NULL DEFAULT nextval('account_number_seq') UNIQUE,
    kind         account_kind NOT NULL,
    currency     iso_currency NOT NULL,
    parent       uuid REFERENCES "Account" ("accountId") ON DELETE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    label        varchar(120) NOT NULL CHECK (btrim(label) <> ''),
    search       tsvector GENERATED ALWAYS AS (to_tsvector('simple', label)) STORED,
    opened_on    date NOT NULL DEFAULT CURRENT_DATE,
    closed_on    date,
    CONSTRAINT closed_after_opened CHECK (closed_on IS NULL OR closed_on >= opened_on)
);
ALTER SEQUENCE account_number_seq OWNED BY "Account".number;
CREATE INDEX account_search_idx ON "Account" USING gin (search);
CREATE UNIQUE INDEX account_label_open_uq ON "Account" (lower(label)) WHERE closed_on IS NULL;
