"""The errors people meet most, whole: what they say, where, what the database is now, and what to do."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from tests.support.facts import Facts
from tests.support.steady import steady
from zmig.database.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop


def error_of(ended: Ended) -> str:
    """Return the error, which stands behind the narration."""
    text = steady(ended.stderr)
    return text[text.index("error: ") :]


def test_unknown_kind(shop: Shop, run: Run) -> None:
    shop.add(7, "0007_backfill", "select 1;", kind="sqll")
    ended = run("apply", "shop.yaml")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr == dedent("""\
        error: manifest entry `0007_backfill` has an unknown kind `sqll`
          --> shop.yaml:6:49
           |
         6 |   - {version: 7, file: 0007_backfill.sql, kind: sqll}
           |                                                 ^^^^
           = kinds: sql, python, repeatable
        hint: write `kind: sql`
        """)


def test_repeated_version(shop: Shop, run: Run) -> None:
    shop.add(11, "011_add_customers", "select 1;")
    shop.add(11, "012_add_orders", "select 1;")
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr == dedent("""\
        error: manifest entry `012_add_orders` repeats version 11
          --> shop.yaml:7:15
           |
         7 |   - {version: 11, file: 012_add_orders.sql}
           |               ^^
           = first declared at shop.yaml:6:15, by `011_add_customers`
        hint: write `version: 12`
        """)


def test_missing_file(shop: Shop, run: Run) -> None:
    shop.add(12, "0012_add_ordrs", "select 1;")
    Path("0012_add_ordrs.sql").rename("0012_add_orders.sql")
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    assert ended.stderr == dedent("""\
        error: manifest entry `0012_add_ordrs` names a file that does not exist: `0012_add_ordrs.sql`
          --> shop.yaml:6:25
           |
         6 |   - {version: 12, file: 0012_add_ordrs.sql}
           |                         ^^^^^^^^^^^^^^^^^^
           = nearest file: 0012_add_orders.sql
        hint: write `file: 0012_add_orders.sql`
        """)


def test_edited_after_it_was_applied(shop: Shop, run: Run) -> None:
    shop.add(4, "0004_accounts", "create table accounts ();")
    run("apply", "shop.yaml")
    shop.write("0004_accounts.sql", "create table accounts (id int);")
    ended = run("apply", "shop.yaml")
    assert ended.code == 2
    lines = error_of(ended).splitlines()
    assert lines[:2] == [
        "error: migration `0004_accounts` was edited after it was applied",
        "  --> 0004_accounts.sql:1:1",
    ]
    assert lines[2] == "   = applied <moment> UTC with checksum <old>, the file now has <new>"
    assert lines[-2] == "   = nothing was run"
    assert lines[-1].startswith("hint: restore ")


def test_failed_in_its_transaction(shop: Shop, run: Run) -> None:
    shop.add(5, "0005_users", "create table users (email text);")
    shop.add(6, "0006_orders", "create table orders ();")
    shop.add(7, "0007_emails", "select 1;\nselect 2;\nupdate users set emial = lower(email);\nselect 4;\nselect 5;")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    assert error_of(ended) == dedent("""\
        error: migration `0007_emails` failed: column "emial" of relation "users" does not exist
          --> 0007_emails.sql:3:18
           |
         3 | update users set emial = lower(email);
           |                  ^
           = PostgreSQL 42703, statement 3 of 5, after <duration>
           = rolled back: `0007_emails` left nothing behind; `0005_users` and `0006_orders` of this run stay applied
        hint: correct the file, then run `zmig retry shop.yaml 0007_emails`
        """)


def test_failed_outside_a_transaction(shop: Shop, run: Run) -> None:
    shop.add(8, "0008_users", "create table users as select 'a@b.c' as email from generate_series(1, 2);")
    shop.add(9, "0009_unique", "analyze users;\ncreate unique index concurrently users_email_key on users (email);")
    ended = run("apply", "shop.yaml")
    assert ended.code == 1
    text = error_of(ended)
    assert text.startswith(
        dedent("""\
        error: migration `0009_unique` failed outside a transaction: could not create unique index "users_email_key"
          --> 0009_unique.sql:2:1
           |
         2 | create unique index concurrently users_email_key on users (email);
           | ^
           = PostgreSQL 23505, statement 2 of 2, after <duration>
           = detail: Key (email)=(<who>) is duplicated.
           = not rolled back: statement 1 stays applied""")
    )
    assert text.endswith("zmig retry shop.yaml 0009_unique`\n")
    kept = "statement 1 stays applied, and an invalid index `users_email_key` is left, which the next try drops"
    assert f"   = not rolled back: {kept}; " in text
    assert f"   = not rolled back: {kept}\n" in run("status", "shop.yaml").stdout


def test_lock_held_by_another_run(shop: Shop, run: Run, connection: psycopg.Connection) -> None:
    shop.add(8, "0008", "select 1;")
    connection.execute("set application_name = 'zmig/ci-runner-3'")
    RunLock("zmig").try_acquire(connection)
    ended = run("apply", "shop.yaml", "--lock-wait", "0")
    assert ended.code == 4
    assert error_of(ended) == dedent("""\
        error: another zmig run holds the lock on database `<database>`
           = held by backend <pid>, application `zmig/ci-runner-3`, last statement at <time> UTC
           = waited <duration>
           = nothing was run
        hint: wait longer for it with `zmig apply shop.yaml --lock-wait 10min`
        """)


def test_stuck(shop: Shop, run: Run, connect: Callable[[], psycopg.Connection]) -> None:
    shop.add(7, "0007", "select 1;")
    shop.add(8, "0008", "select 1;")
    run("apply", "shop.yaml", "--to", "7")
    Facts(connect()).append(
        "0008", "migration.started", age="20 min", data='{"version": 8, "backend_pid": 4702, "transactional": true}'
    )
    ended = run("status", "shop.yaml")
    assert ended.code == 0
    assert steady(ended.stdout) == dedent("""\
        shop (development), database `<database>`, version 7

          state  version  name  kind  applied at (UTC)  took
        ✓ done  7  0007  sql  <moment>  <duration>
        ! stuck  8  0008  sql

        1 applied, 0 pending, 1 stuck

        error: migration `0008` is stuck: it started <moment> UTC and never ended, and no process works on it
          --> shop.yaml:7:5
           |
         7 |   - {version: 8, file: 0008.sql}
           |     ^
           = backend <pid>
           = transactional, so its changes are gone
        hint: run `zmig apply shop.yaml`, which starts it again
        """)
    assert run("status", "shop.yaml", "--check").code == 6
    assert run("apply", "shop.yaml").code == 0
