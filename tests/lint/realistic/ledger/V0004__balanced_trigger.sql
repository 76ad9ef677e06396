-- Nothing is booked on an account that is closed
CREATE OR REPLACE FUNCTION ledger.refuse_closed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
AS $function$
BEGIN
    PERFORM 1 FROM "Account" a WHERE a."accountId" = NEW.account_id AND a.closed_on < NEW.booked_at::date;
    IF FOUND THEN
        RAISE EXCEPTION 'account % is closed; begin; commit;', NEW.account_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END;
$function$;

DROP TRIGGER IF EXISTS refuse_closed ON ledger.entry;
CREATE TRIGGER refuse_closed BEFORE INSERT OR UPDATE OF account_id ON ledger.entry
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_closed();
