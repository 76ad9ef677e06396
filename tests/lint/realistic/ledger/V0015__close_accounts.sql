-- A procedure that operators call by hand; it commits between its rounds
CREATE OR REPLACE PROCEDURE ledger.close_dormant(before date)
LANGUAGE plpgsql AS $$
DECLARE
    touched bigint;
BEGIN
    LOOP
        UPDATE ledger."Account" SET closed_on = before WHERE "accountId" IN (
            SELECT "accountId" FROM ledger."Account" WHERE closed_on IS NULL AND opened_on < before LIMIT 500 FOR UPDATE SKIP LOCKED);
        GET DIAGNOSTICS touched = ROW_COUNT;
        EXIT WHEN touched = 0;
        COMMIT;
    END LOOP;
END $$;
COMMENT ON PROCEDURE ledger.close_dormant(date) IS 'call ledger.close_dormant(''2020-01-01'')';
