"""Files too large to be held as text, which run statement by statement: as any other file does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig import Migrator
from zmig.errors import ManifestError, MigrationFailed, ZmigError
from zmig.project import prepare
from zmig.sql import octets

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder
    from zmig.planning.plan import Step
    from zmig.project.prepare import PreparedStep

PADDING = "-- ä\n" * 200_000
LARGE = "insert into t values ('" + "ä\n" * octets.LARGE + "')"


@pytest.fixture(autouse=True)
def _all_are_very_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_VERY_LARGE", 0)


def test_it_goes_on_after_what_is_done(project: ProjectFolder, connection: psycopg.Connection, facts: Facts) -> None:
    text = (
        f"{PADDING}create table t (x text);\ncopy t from stdin;\nö\n\\.\n  {LARGE};\n select 'é', nowhere;\nselect 1;"
    )
    path = project.sql("001_large", text, transaction=False)
    with pytest.raises(MigrationFailed) as caught:
        Migrator(project.manifest).migrate()
    place = caught.value.problems[0].location
    assert place is not None
    assert (place.line, place.column) == (200_006 + octets.LARGE, 14)
    assert facts.data("001_large", "failed")[0]["error"]["statement"] == 4
    path.write_text(path.read_text().replace("nowhere", "1"))
    assert Migrator(project.manifest).migrate().completed == ("001_large",)
    found = connection.execute("select length(x), left(x, 2) from t order by 1").fetchall()
    assert found == [(1, "ö"), (2 * octets.LARGE, "ä\n")]


def test_what_is_done_may_not_be_edited(project: ProjectFolder) -> None:
    path = project.sql("001_large", f"{PADDING}create table t (x text);\n{LARGE};\nselect nowhere;", transaction=False)
    with pytest.raises(MigrationFailed):
        Migrator(project.manifest).migrate()
    path.write_text(path.read_text().replace("t values ('ä", "t values ('a"))
    with pytest.raises(ZmigError) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.code == "done-statements-changed"


def test_a_rollback_is_one_as_well(project: ProjectFolder, connection: psycopg.Connection) -> None:
    back = f"{PADDING}drop table t;\nvacuum;\n"
    project.sql("001_large", "create table t (x text);", rollback=back)
    migrator = Migrator(project.manifest)
    migrator.migrate()
    assert migrator.rollback().completed == ("001_large",)
    assert connection.execute("select to_regclass('t')").fetchone() == (None,)


MISTAKES = {
    "file-conflict": "<<<<<<< a\nselect 1;\n=======\nselect 2;\n>>>>>>> b\n",
    "sql-other-tool": "select 1;\n-- migrate:down\nselect 2;\n",
    "sql-unterminated": "select 1;\nselect $ü$ 2;\n",
    "sql-psql-command": "select 1;\n\\é\n",
}


@pytest.mark.parametrize(("code", "text"), MISTAKES.items(), ids=MISTAKES)
def test_what_is_wrong_with_it_is_found_at_the_same_place(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, code: str, text: str
) -> None:
    project.sql("001_large", PADDING + text, transaction=False)

    def problem() -> object:
        with pytest.raises(ManifestError) as caught:
            Migrator(project.manifest).migrate()
        assert caught.value.code == code
        return caught.value.problems[0]

    found = problem()
    monkeypatch.setattr(prepare, "_VERY_LARGE", 1 << 40)
    assert problem() == found


def test_an_edit_while_it_is_planned_is_seen(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project.sql("001_large", f"{PADDING}select 1;", transaction=False)
    read = prepare._very_large  # pyright: ignore[reportPrivateUsage]

    def edited(step: Step, file: Path, *, conforming: bool) -> PreparedStep | None:
        path.write_text(path.read_text() + "select 2;\n")
        return read(step, file, conforming=conforming)

    monkeypatch.setattr(prepare, "_very_large", edited)
    with pytest.raises(ManifestError) as caught:
        Migrator(project.manifest).migrate()
    assert caught.value.code == "file-changed"
