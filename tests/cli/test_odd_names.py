"""Names that nobody would give: empty, blank, endless, like an option, or with what a terminal acts on."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.process import run as run_process
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

ESCAPE = "\x1b]0;owned\x07\x1b[31m\u202e"
ODD = ["", " ", "\n", "\t x", "x" * 10_000, ESCAPE, "a\nb", "-x", "--help", "\u0663", "99999999999999999999", "`", "%s"]


def _is_safe(ended: Ended) -> bool:
    """Whether nothing that was printed makes a terminal act."""
    return all(one in "\n\t" or one.isprintable() for one in ended.stdout + ended.stderr)


@pytest.fixture
def failed(shop: Shop, run: Run) -> Shop:
    """Of three migrations one is applied, and one whose name looks like an option has failed."""
    shop.add(1, "001_a", "create table a ();")
    shop.add(2, "-x", "select 1 / 0;")
    shop.add(3, "003_c", "select 1;")
    assert run("apply", "shop.yaml").code == 1
    return shop


@pytest.mark.usefixtures("failed")
@pytest.mark.parametrize("name", ODD)
def test_a_name_that_nothing_has_is_told_in_one_line(run: Run, name: str) -> None:
    for words in (
        ("retry",),
        ("accept", "--reason", "x"),
        ("resolve", "--as", "done", "--reason", "x"),
        ("pause",),
        ("resume",),
        ("history",),
    ):
        command, *options = words
        ended = run(command, "shop.yaml", *options, "--", "-nothing-like-it" if name == "-x" else name)
        assert ended.code == 2, command
        first, second, *more = ended.stderr.splitlines()
        assert first.startswith("error: no migration is called ")
        assert len(first) < 300
        assert (second, more) == ("hint: see the names with `zmig status shop.yaml`", [])
        assert _is_safe(ended)


def test_a_hint_names_by_its_version_what_cannot_be_written_on_a_command_line(failed: Shop, run: Run) -> None:
    hint = run("retry", "shop.yaml").stderr.splitlines()[-1]
    assert hint == "hint: correct the file, then run `zmig retry shop.yaml 2`"
    assert run("status", "shop.yaml").stdout.splitlines()[-1] == hint
    failed.write("-x.sql", "select 1;")
    assert run(*shlex.split(hint.split("`")[1])[1:]).code == 0


@pytest.mark.usefixtures("failed")
def test_what_stands_behind_two_hyphens_is_a_name_however_it_is_written(run: Run) -> None:
    """It was dropped: `retry` then ran all that had failed, and `--help` printed the help."""
    assert "no migration is called `--help`" in run("retry", "shop.yaml", "--", "--help").stderr
    assert "no migration is called `nothing`" in run("retry", "shop.yaml", "--", "nothing").stderr
    assert run("apply", "shop.yaml", "--", "more").code == 2
    ended = run("resolve", "shop.yaml", "--as", "done", "--reason", "x", "--", "-x")
    assert (ended.code, ended.stderr) == (0, "migration `-x` is resolved as done\n")


@pytest.mark.usefixtures("failed")
def test_an_empty_word_for_the_manifest_is_not_the_one_that_is_found(run: Run, shop: Shop) -> None:
    (shop.folder / "manifests").mkdir()
    shop.path.rename(shop.folder / "manifests" / "shop.yaml")
    for name in ("", "x" * 10_000, "\n", ESCAPE):
        ended = run("status", name)
        assert ended.code == 2
        assert ended.stderr.startswith("error: the manifest ")
        assert _is_safe(ended)


def test_no_name_in_facts_makes_a_terminal_act(failed: Shop, run: Run, connection: psycopg.Connection) -> None:
    names = ["-y" if name == "-x" else name for name in ODD]
    for version, name in enumerate(names, start=100):
        error = {"message": f"m{ESCAPE}", "file": f"f{ESCAPE}", "line": 1, "column": 1, "sqlstate": f"X{ESCAPE}"}
        connection.execute(
            "insert into zmig.migration_events (aggregate_id, event_type, event_data, database_user, host, run_id) "
            "values (%s, 'migration.failed', %s, %s, %s, %s)",
            [name, json.dumps({"version": version, "error": error}), f"u{ESCAPE}", f"h{ESCAPE}", f"r{ESCAPE}"],
        )
    for words in (("status",), ("plan",), ("history",), ("retry", "--dry-run"), ("rollback", "--dry-run")):
        ended = run(words[0], "shop.yaml", *words[1:])
        assert _is_safe(ended), words
    # A long name is cut in a table, so that it does not put blanks behind all others.
    assert max(map(len, run("history", "shop.yaml").stdout.splitlines())) < 1000
    assert max(map(len, run("status", "shop.yaml").stdout.split("applied,")[0].splitlines())) < 1000
    for version, name in enumerate(names, start=100):
        for known in ("--", name), (str(version),):
            ended = run("resolve", "shop.yaml", "--as=failed", f"--reason=y{ESCAPE}", *known)
            assert ended.code == 0
            assert _is_safe(ended)
    assert _is_safe(run("history", "shop.yaml"))


def test_nothing_that_a_server_says_makes_a_terminal_act(shop: Shop) -> None:
    text = r"raise {} E'e\x1b]0;x\x07' using detail = E'd\x1b[31m', hint = E'h\x1b[31m';"
    shop.add(1, "001_a", f"do $$ begin {text.format('notice')} {text.format('exception')} end $$;")
    shop.add(2, "002_b.py", f"def execute(ctx):\n    raise ValueError({ESCAPE!r})\n")
    for _ in range(2):
        for words in (("apply", "--verbose"), ("status", "--verbose"), ("retry",)):
            ended = run_process(words[0], shop.path, *words[1:])
            assert _is_safe(ended), words
        shop.write("001_a.sql", "select 1;")


@pytest.fixture
def odd_database(server: str) -> Iterator[str]:
    """A database, a role and a schema whose names a terminal would act on."""
    name = f"odd{ESCAPE}'\n\"y"
    quoted = '"' + name.replace('"', '""') + '"'
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create role {quoted} superuser login; create schema if not exists public".encode())
        admin.execute(f"create database {quoted}".encode())
        try:
            yield make_conninfo(server, dbname=name, user=name)
        finally:
            admin.execute(f"drop database {quoted} with (force)".encode())
            admin.execute(f"drop role {quoted}".encode())


def test_no_name_of_the_servers_makes_a_terminal_act(odd_database: str, shop: Shop, run: Run) -> None:
    shop.add(1, "001_a", "select 1;")
    url = ("--database-url", odd_database)
    assert run("apply", "shop.yaml", *url).code == 0
    odd = '"' + f"t{ESCAPE}\n".replace('"', '""') + '"'
    with psycopg.connect(odd_database, autocommit=True, application_name=f"zmig/{ESCAPE}") as connection:
        trigger = f"{odd} before insert on zmig.migration_events"
        connection.execute(f"create trigger {trigger} execute function zmig.migration_events_refuse_change()".encode())
        ended = run("status", "shop.yaml", *url)
        assert ended.code == 2
        assert _is_safe(ended)
        connection.execute(f"drop trigger {odd} on zmig.migration_events; create schema {odd}".encode())
    for words in (("status",), ("reset",), ("reset", "--confirm", "x")):
        assert _is_safe(run(words[0], "shop.yaml", *words[1:], *url))
    with Terminal("reset", "shop.yaml", *url, cwd=shop.folder, variables={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("type its name to go on")
        terminal.type("no")
        assert terminal.end() == 2
        assert "\x1b" not in terminal.raw
    name = conninfo_to_dict(odd_database)["dbname"]
    ended = run("reset", "shop.yaml", "--confirm", str(name), *url)
    assert ended.code == 0
    assert "dropped 3 schemas" in ended.stderr
    assert _is_safe(ended)
