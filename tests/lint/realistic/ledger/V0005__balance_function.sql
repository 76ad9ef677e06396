-- The balance of an account, as plain SQL that the planner can look into
CREATE FUNCTION ledger.balance(account uuid, "at" timestamptz DEFAULT now())
    RETURNS numeric
    LANGUAGE sql STABLE PARALLEL SAFE
    BEGIN ATOMIC
        SELECT coalesce(sum(e.amount), 0) FROM ledger.entry e WHERE e.account_id = account AND e.booked_at <= "at";
    END;
CREATE AGGREGATE ledger.last_memo(text) (SFUNC = textcat, STYPE = text);
GRANT EXECUTE ON FUNCTION ledger.balance(uuid, timestamptz) TO ledger_ro;
