"""Two migrations with one version, and one migration with two: what is refused, and where the printed ways lead."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.facts import Facts
from zmig import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop


@pytest.fixture
def facts(connection: psycopg.Connection) -> Facts:
    return Facts(connection)


def _tables(connection: psycopg.Connection) -> list[str]:
    found = connection.execute("select tablename::text from pg_tables where schemaname = 'public' order by 1")
    return [str(name) for (name,) in found]


def _redeclare(shop: Shop, *entries: tuple[int, str]) -> None:
    """Declare other versions of files that are there."""
    shop.entries = [f"  - {{version: {version}, file: {file}}}" for version, file in entries]
    shop.declare()


def _hinted(ended: Ended) -> list[str]:
    """Return the command that the hint names, as words behind `zmig`."""
    (command,) = re.findall(r"^hint: .*`zmig (.+)`", ended.stderr, flags=re.MULTILINE)
    return shlex.split(command)


@pytest.fixture
def taken(shop: Shop, run: Run) -> Shop:
    """A database with another branch's version 2: `002_alpha` was applied, `002_beta` is declared."""
    shop.add(1, "001_one", "create table one ();")
    shop.add(2, "002_alpha", "create table alpha ();", rollback="drop table if exists alpha;")
    assert run("apply", "shop.yaml").code == 0
    shop.entries.pop()
    shop.add(2, "002_beta", "create table beta ();", rollback="drop table if exists beta;")
    return shop


class TestOneVersionOfTwoMigrations:
    def test_apply_names_the_cause_and_never_accept(self, taken: Shop, run: Run) -> None:
        ended = run("apply", str(taken.path.name))
        assert ended.code == 2
        assert "error: version 2 was applied as `002_alpha`, which is another migration than `002_beta`" in ended.stderr
        assert "two branches used the same version" in ended.stderr
        assert "accept" not in ended.stderr
        assert ended.stderr.splitlines()[-1] == "hint: give `002_beta` a version of its own, such as `version: 3`"

    def test_what_the_hint_says_applies_it_and_leaves_the_other(
        self, taken: Shop, run: Run, connection: psycopg.Connection
    ) -> None:
        _redeclare(taken, (1, "001_one.sql"), (2, "002_alpha.sql"), (3, "002_beta.sql"))
        assert run("apply", "shop.yaml").code == 0
        assert _tables(connection) == ["alpha", "beta", "one"]

    @pytest.mark.parametrize(
        "words", [("accept", "shop.yaml", "002_beta"), ("resolve", "shop.yaml", "2", "--as", "done")]
    )
    def test_no_decision_puts_the_one_in_the_place_of_the_other(
        self, taken: Shop, run: Run, facts: Facts, words: tuple[str, ...]
    ) -> None:
        ended = run(*words, "--reason", "x")
        assert ended.code == 2
        assert "another migration" in ended.stderr
        assert "nothing was recorded" in ended.stderr
        assert facts.applied == [(1, "001_one"), (2, "002_alpha")]
        with pytest.raises(UsageError, match="another migration"):
            taken.migrator().accept("2", reason="x")

    @pytest.mark.usefixtures("taken")
    def test_a_rollback_runs_no_file_of_another_migration(self, run: Run, connection: psycopg.Connection) -> None:
        ended = run("rollback", "shop.yaml", "--yes")
        assert ended.code == 2
        assert "another migration" in ended.stderr
        assert "nothing was rolled back" in ended.stderr
        assert _tables(connection) == ["alpha", "one"]

    @pytest.mark.usefixtures("taken")
    def test_status_says_so(self, run: Run) -> None:
        assert "version 2 was applied as another migration, `002_alpha`" in run("status", "shop.yaml").stdout


class TestOneMigrationOfTwoVersions:
    @pytest.fixture
    def moved(self, shop: Shop, run: Run) -> Shop:
        """A migration that was applied as version 1 and is declared as version 7."""
        shop.add(1, "001_old", "create table if not exists old (); select 1;", rollback="drop table old;")
        assert run("apply", "shop.yaml").code == 0
        shop.entries.clear()
        shop.add(7, "001_old", "create table if not exists old (); select 1;", rollback="drop table old;")
        return shop

    @pytest.mark.usefixtures("moved")
    def test_it_is_not_run_twice_and_the_hint_records_it(self, run: Run, facts: Facts) -> None:
        for words in (("apply", "shop.yaml"), ("plan", "shop.yaml")):
            ended = run(*words)
            assert ended.code == 2
            assert "has version 7, but was applied as `001_old`, version 1" in ended.stderr
        assert facts.told == [("001_old", "started"), ("001_old", "done")]
        assert run(*_hinted(ended)).code == 0
        assert facts.applied == [(7, "001_old")]
        (_, resolved) = facts.data("001_old", "resolved")
        assert (resolved["as"], resolved["renumbered_from"]) == ("done", 1)
        assert run("apply", "shop.yaml").stderr.endswith("nothing to apply\n")
        assert run("status", "shop.yaml", "--check").code == 0
        assert run("rollback", "shop.yaml", "--yes").code == 0

    def test_another_name_of_the_same_file_is_recognised(self, moved: Shop, run: Run) -> None:
        (moved.folder / "001_old.sql").rename(moved.folder / "007_old.sql")
        _redeclare(moved, (7, "007_old.sql"))
        assert "but was applied as `001_old`, version 1" in run("apply", "shop.yaml").stderr

    def test_an_edited_one_is_given_its_version_again(self, moved: Shop, run: Run) -> None:
        moved.write("001_old.sql", "create table other ();")
        ended = run("apply", "shop.yaml")
        assert ended.code == 2
        assert ended.stderr.splitlines()[-1] == "hint: write `version: 1` again"

    def test_what_is_left_of_a_failed_second_run_is_resolved_as_printed(
        self, moved: Shop, run: Run, facts: Facts, connection: psycopg.Connection
    ) -> None:
        facts.append("001_old", "started", data='{"version": 7, "transactional": true, "backend_pid": 1}')
        facts.append("001_old", "failed", data='{"version": 7, "transactional": true}')
        _redeclare(moved, (1, "001_old.sql"))
        assert run("status", "shop.yaml", "--check").code == 6
        ambiguous = run("resolve", "shop.yaml", "001_old", "--as", "done", "--reason", "x")
        assert "error: 2 migrations are called `001_old`" in ambiguous.stderr
        shown = run("status", "shop.yaml").stdout
        (command,) = re.findall(r"^hint: .*`zmig (.+)`", shown, flags=re.MULTILINE)
        assert run(*shlex.split(command)).code == 0
        assert run("status", "shop.yaml", "--check").code == 0
        assert facts.applied == [(1, "001_old")]
        assert _tables(connection) == ["old"]


def test_two_declared_migrations_may_have_the_same_contents(shop: Shop, run: Run) -> None:
    shop.add(1, "001_analyze", "analyze;")
    assert run("apply", "shop.yaml").code == 0
    shop.add(2, "002_analyze", "analyze;")
    assert run("apply", "shop.yaml").code == 0


def test_a_rollback_of_an_edited_migration_is_refused(
    shop: Shop, run: Run, connection: psycopg.Connection, facts: Facts
) -> None:
    file: Path = shop.add(1, "001_b", "create table b ();", rollback="drop table if exists b;")
    assert run("apply", "shop.yaml").code == 0
    file.write_text("create table bb ();")
    shop.write("001_b.rollback.sql", "drop table if exists bb;")
    ended = run("rollback", "shop.yaml", "--yes")
    assert ended.code == 2
    assert "error: migration `001_b` was edited after it was applied" in ended.stderr
    assert "nothing was rolled back" in ended.stderr
    assert _tables(connection) == ["b"]
    assert facts.told == [("001_b", "started"), ("001_b", "done")]
