"""Comments of other tools that part a file in two: found where they are comments, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.project import ProjectFolder
from zmig.errors import ManifestError
from zmig.planning.plan import Action, Direction, Plan, Step
from zmig.project import prepare
from zmig.sql import script, tool_markers

if TYPE_CHECKING:
    from pathlib import Path


def _found(text: str) -> tuple[str, str] | None:
    statements = tuple(script.split(text, path="a.sql"))
    mark = tool_markers.find(text, tool_markers.spans(text, statements))
    if mark is None:
        return None
    assert text[mark.offset :].startswith(mark.text)
    return mark.tool, mark.text


@pytest.mark.parametrize(
    ("tool", "mark"),
    [
        ("dbmate", "-- migrate:down"),
        ("dbmate", "-- migrate:down transaction:false"),
        ("goose", "-- +goose Down"),
        ("goose", "-- +goose down"),
        ("sql-migrate", "-- +migrate Down"),
        ("micrate", "-- +micrate Down"),
        ("tern", "---- create above / drop below ----"),
        ("node-pg-migrate", "-- Down Migration"),
        ("node-pg-migrate", "--- down migration"),
        ("rambler", "-- rambler down"),
        ("MyBatis", "-- //@UNDO"),
        ("Play", "-- !Downs"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_mark_between_statements_is_found(tool: str, mark: str, newline: str) -> None:
    text = newline.join(("create table t ();", mark, "drop table t;", ""))
    assert _found(text) == (tool, mark)
    assert _found(text.replace(mark, f"  {mark}  ")) == (tool, mark)


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- Up", "-- Down"),
        ("--up", "--down"),
        ("-- UP:", "-- DOWN:"),
        ("-- @UP", "-- @DOWN"),
        ("-- +up", "-- +down"),
        ("-- ==== UP ====", "-- ==== DOWN ===="),
        ("--migrations-up", "--migrations-down"),
        ("-- Add up migration script here", "-- Add down migration script here"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_two_comments_that_say_up_and_down_part_a_file(up: str, down: str, newline: str) -> None:
    text = newline.join((up, "create table t ();", down, "drop table t;", ""))
    assert _found(text) == ("another tool", down)
    rule = "-" * 80
    assert _found(newline.join((rule, up, rule, "create table t ();", rule, down, rule, "drop table t;"))) is not None
    assert _found(newline.join(("create table t ();", down, "drop table u;"))) is None
    assert _found(newline.join((up, "create table t ();", down, ""))) is None
    assert _found(newline.join((up, "create table t ();", f"{down} below we drop", "drop table u;"))) is None


@pytest.mark.parametrize(
    "text",
    [
        "-- up\nselect 1;\n-- down below we do more\nselect 2;",
        "-- scale up\nselect 1;\n-- scale down\nselect 2;",
        "-- up\nselect '\n-- down\n';",
        "-- migrate:up\ncreate table t ();\n-- migrate:down\n",
        "-- migrate:up\ncreate table t ();\n",
        "-- +goose Up\n-- +goose StatementBegin\ncreate table t ();\n-- +goose StatementEnd\n",
        "create table t ();\n--> statement-breakpoint\ncreate table u ();\n",
        "-- Up Migration\ncreate table t ();",
        "select '\n-- migrate:down\n';\nselect 1;",
        "select $$\n-- +goose Down\n$$;\nselect 1;",
        "do $do$\n-- migrate:down\nbegin end $do$; select 1;",
        "/*\n-- migrate:down\n*/ select 1;",
        'select 1 as "\n-- migrate:down\n"; select 2;',
        "copy t from stdin;\n-- migrate:down\n\\.\nselect 1;",
        "-- migrates: downtime is not expected\nselect 1;",
        "-- a migration that goes down the list\nselect 1;",
        "-- the down migration is in another file\nselect 1;",
    ],
)
def test_what_is_no_mark_or_does_no_harm(text: str) -> None:
    assert _found(text) is None


def test_rows_before_a_mark_hide_it_not() -> None:
    assert _found("copy t from stdin;\n'\n\\.\n-- migrate:down\nselect 1;") == ("dbmate", "-- migrate:down")


@pytest.mark.parametrize("rows", [1, 90_000], ids=["small", "too large to be held"])
def test_a_file_with_a_mark_is_refused_with_its_place(tmp_path: Path, rows: int) -> None:
    project = ProjectFolder(tmp_path, "postgresql:///x")
    text = "-- migrate:up\ncreate table t ();\n" + "insert into t values (1);\n" * rows
    project.sql("001_t", text + "-- migrate:down\ndrop table t;\n")
    from zmig import Migrator

    (migration,) = Migrator(project.manifest).project().migrations
    plan = Plan(Direction.FORWARD, (Step(migration, Action.APPLY, "pending"),))
    with pytest.raises(ManifestError, match="is a file of dbmate") as caught:
        prepare.read(plan)
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert (problem.code, problem.location.line, problem.location.column) == ("sql-other-tool", rows + 3, 1)
