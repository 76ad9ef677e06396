"""Edits of applied files that the server would see no difference of: noted, and refused no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zmig import Migrator, PlanRefused, UsageError
from zmig.planning.state import FindingCode

if TYPE_CHECKING:
    import psycopg

    from tests.support.facts import Facts
    from tests.support.project import ProjectFolder

ONE = "create table One (id int, note text default 'a  b');\n"
RESPELLED = "-- what it is for\nCREATE TABLE one (\n  id INT,\n  note text DEFAULT 'a  b'\n);"


@pytest.fixture
def migrator(project: ProjectFolder) -> Migrator:
    project.sql("001_one", ONE, rollback="drop table one;")
    project.sql("002_two", "create table two ();")
    return Migrator(project.manifest)


def _findings(migrator: Migrator, name: str = "001_one") -> list[FindingCode]:
    return [one.code for entry in migrator.status().migrations if entry.name == name for one in entry.findings]


def test_an_edit_of_comments_white_space_and_case_is_a_note_and_apply_goes_on(
    project: ProjectFolder, migrator: Migrator, facts: Facts
) -> None:
    migrator.migrate_to_version(1)
    assert len(facts.data("001_one", "done")[0]["token_checksum"]) == 64
    project.sql("001_one", RESPELLED, rollback="drop table one;")
    edited = Migrator(project.manifest)
    assert _findings(edited) == [FindingCode.COSMETIC]
    plan = edited.plan()
    assert (plan.refusals, plan.notes) == (
        (),
        ("`001_one`: edited since it was applied, in comments, white space or case only",),
    )
    assert list(edited.migrate().completed) == ["002_two"]
    assert list(edited.migrate().completed) == []
    assert _findings(edited) == [FindingCode.COSMETIC]


def test_an_edit_of_anything_else_is_refused_beside_a_cosmetic_one(project: ProjectFolder, migrator: Migrator) -> None:
    migrator.migrate_to_version(1)
    project.sql("001_one", RESPELLED.replace("a  b", "a b"))
    edited = Migrator(project.manifest)
    assert _findings(edited) == [FindingCode.EDITED]
    with pytest.raises(PlanRefused) as caught:
        edited.migrate()
    assert caught.value.code == "checksum-changed"


def test_facts_without_a_checksum_of_tokens_behave_as_they_did(
    project: ProjectFolder, migrator: Migrator, facts: Facts, connection: psycopg.Connection
) -> None:
    migrator.migrate_to_version(1)
    connection.execute("alter table zmig.migration_events disable trigger user")
    connection.execute("update zmig.migration_events set event_data = event_data - 'token_checksum'")
    connection.execute("alter table zmig.migration_events enable trigger user")
    assert _findings(Migrator(project.manifest)) == []
    project.sql("001_one", RESPELLED)
    assert _findings(Migrator(project.manifest)) == [FindingCode.EDITED]


def test_an_edit_may_be_accepted_and_is_nothing_to_speak_of_any_more(
    project: ProjectFolder, migrator: Migrator, facts: Facts
) -> None:
    migrator.migrate()
    with pytest.raises(UsageError):
        migrator.accept("001_one", reason="nothing changed")
    project.sql("001_one", RESPELLED)
    edited = Migrator(project.manifest)
    edited.accept("001_one", reason="only comments")
    assert _findings(edited) == []
    assert facts.data("001_one", "accepted")[0]["token_checksum"] == facts.data("001_one", "done")[0]["token_checksum"]
    project.sql("001_one", ONE)
    assert _findings(Migrator(project.manifest)) == [FindingCode.COSMETIC]


def test_what_counts_as_applied_without_being_run_is_known_by_its_tokens_too(
    project: ProjectFolder, migrator: Migrator, facts: Facts
) -> None:
    migrator.baseline(to=1, reason="it is there")
    migrator.resolve("002_two", "done", reason="so is this")
    project.sql("001_one", RESPELLED)
    project.sql("002_two", "create table two ( );")
    edited = Migrator(project.manifest)
    assert (_findings(edited), _findings(edited, "002_two")) == ([FindingCode.COSMETIC], [FindingCode.COSMETIC])


def test_a_migration_that_was_edited_so_can_be_rolled_back(project: ProjectFolder, migrator: Migrator) -> None:
    migrator.migrate_to_version(1)
    project.sql("001_one", RESPELLED, rollback="drop table one;")
    edited = Migrator(project.manifest)
    assert list(edited.rollback().completed) == ["001_one"]


def test_a_migration_that_was_renamed_and_edited_so_is_the_same_one(project: ProjectFolder, migrator: Migrator) -> None:
    migrator.migrate_to_version(1)
    project.sql("001_one", RESPELLED, name="other")
    assert _findings(Migrator(project.manifest), "other") == [FindingCode.RENAMED, FindingCode.COSMETIC]


def test_a_repeatable_is_due_after_any_edit_of_its_file(project: ProjectFolder) -> None:
    project.sql("090_view", "create or replace view v as select 1 as n;", kind="repeatable")
    Migrator(project.manifest).migrate()
    project.sql("090_view", "-- again\ncreate or replace view v as select 1 as n;", kind="repeatable")
    assert list(Migrator(project.manifest).migrate().completed) == ["090_view"]


def test_a_file_with_a_variable_in_it_has_no_checksum_of_tokens(project: ProjectFolder, facts: Facts) -> None:
    project.sql("001_one", "create table ${name} ();", variables=True)
    project.sql("002_two", "create table two ();", variables=True)
    project.sql("003_large", f"select '${{name}}', length('{'x' * (1 << 20)}');", variables=True)
    project.change(variables={"name": "one"})
    Migrator(project.manifest).migrate()
    has = {name: "token_checksum" in facts.data(name, "done")[0] for name in ("001_one", "002_two", "003_large")}
    assert has == {"001_one": False, "002_two": True, "003_large": False}


LARGE = f"select length('{'x' * (1 << 20)}');\nselect 2;\n"
HELD = f"select length('{'x' * (17 << 20)}');\nselect 2;\n"


@pytest.mark.parametrize(
    ("rows", "entry"),
    [
        (LARGE, {}),
        (LARGE, {"transaction": False}),
        (LARGE + "-- migrate:down is what another tool says\n", {}),
        (HELD, {"transaction": False}),
    ],
    ids=["sent as it is read", "held", "looked at closely", "held as octets"],
)
def test_of_a_large_file_what_is_before_its_first_statement_may_change(
    project: ProjectFolder, migrator: Migrator, facts: Facts, rows: str, entry: dict[str, Any]
) -> None:
    project.sql("002_two", "-- rows\n" + rows, **entry)
    migrator.migrate()
    project.sql("002_two", "/* the rows\n*/\n\n-- of all\n" + rows, **entry)
    assert _findings(Migrator(project.manifest), "002_two") == [FindingCode.COSMETIC]
    Migrator(project.manifest).accept("002_two", reason="a comment")
    project.sql("002_two", ";" + rows, **entry)
    assert _findings(Migrator(project.manifest), "002_two") == [FindingCode.COSMETIC]
    project.sql("002_two", rows.replace("select", "SELECT", 1), **entry)
    assert _findings(Migrator(project.manifest), "002_two") == [FindingCode.EDITED]
    project.sql("002_two", rows + "-- at its end\n", **entry)
    assert _findings(Migrator(project.manifest), "002_two") == [FindingCode.EDITED]
