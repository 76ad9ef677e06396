"""What the steps of a plan would do, worked out by statement, of the plan's own migrations alone."""

from __future__ import annotations

import os
import pickle
import sys
from typing import TYPE_CHECKING

import pytest

from zmig.errors import ManifestError
from zmig.lint import preview
from zmig.lint.preview import PlanEffects, StatementEffects, TableLock, WorkKind
from zmig.lint.replay.objects import LockMode
from zmig.lint.steps import Replayed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from zmig.lint.entries import Entry


ORDERS = ("public", "orders")
_MADE = (
    "create table orders (id bigint primary key, state text, note varchar(10));"
    "create view v as select state from orders;"
)


class Project:
    """A manifest in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[str] = []
        self.add(1, "made.sql", _MADE, rollback="drop table orders cascade;")

    @property
    def path(self) -> Path:
        return self.folder / "m.yaml"

    def add(self, version: int, file: str, text: str | bytes, rollback: str | None = None) -> None:
        content = text if isinstance(text, bytes) else text.encode()
        (self.folder / file).write_bytes(content)
        undoing = ""
        if rollback is not None:
            (self.folder / f"{file}.rollback.sql").write_text(rollback)
            undoing = f", rollback: {file}.rollback.sql"
        self.entries.append(f"  - {{version: {version}, file: {file}{undoing}}}\n")
        self.path.write_text("manifest: 1\ndatabase: {url: x}\nmigrations:\n" + "".join(self.entries))

    def effects(self, versions: Collection[int], *, is_rollback: bool = False) -> PlanEffects:
        return preview.read(self.path, versions, is_rollback=is_rollback, environ=os.environ)

    def statements(self, version: int, *, is_rollback: bool = False) -> tuple[StatementEffects, ...]:
        return self.effects([version], is_rollback=is_rollback).steps[version].statements


@pytest.fixture
def made(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_each_statement_has_its_locks_and_its_work_at_its_place(made: Project) -> None:
    made.add(
        2,
        "two.sql",
        "alter table orders add column n int;  alter table orders alter column note type int using note::int;\n"
        "create index concurrently orders_n on orders (n);\n\n"
        "alter table orders add constraint c check (n > 0);\n"
        "create table fresh (id int); alter table fresh add column x int;\n"
        "do $$ begin\n  if true then update orders set n = 1; end if;\nend $$;\n",
    )
    one, two, index, check, fresh, again, block = made.statements(2)
    assert [(each.line, each.column) for each in (one, two, index, check)] == [(1, 1), (1, 39), (2, 1), (4, 1)]
    assert one.locks == two.locks == check.locks == (TableLock(ORDERS, LockMode.ACCESS_EXCLUSIVE),)
    assert [work.kind for work in two.work] == [WorkKind.REWRITE]
    assert index.locks == (TableLock(ORDERS, LockMode.SHARE_UPDATE_EXCLUSIVE),)
    assert [(work.kind, work.is_concurrent) for work in index.work] == [(WorkKind.BUILD, True)]
    assert [work.kind for work in check.work] == [WorkKind.SCAN]
    assert fresh.locks == again.locks == (), "nobody can be using what the plan itself makes"
    assert (block.line, block.locks, block.is_conditional) == (6, (TableLock(ORDERS, LockMode.ROW_EXCLUSIVE),), True)


def test_findings_are_those_of_the_file_that_runs_with_the_corrected_sql(made: Project) -> None:
    made.add(2, "two.sql", "create index orders_state on orders (state);\n", rollback="drop table nowhere;")
    [forward] = made.effects([2]).steps.values()
    [fix] = [found.fix for found in forward.findings if found.fix]
    assert fix == ("create index concurrently orders_state on orders (state);",)
    [back] = made.effects([2], is_rollback=True).steps.values()
    assert {found.file.rpartition("/")[2] for found in forward.findings} <= {"two.sql", "m.yaml"}
    assert any("nowhere" in found.message for found in back.findings)


def test_a_rollback_says_what_goes(made: Project) -> None:
    made.add(2, "two.sql", "alter table orders add column n int;", rollback="alter table orders drop column n;")
    [column] = made.statements(2, is_rollback=True)
    assert (column.drops, column.loses) == (("the column `orders.n`",), ("the column `orders.n`",))
    [table] = made.statements(1, is_rollback=True)
    assert table.drops == ("the table `orders`", "the view `v`, with it")
    assert table.loses == ("the table `orders`",)


def test_what_code_executes_counts_at_its_line(made: Project) -> None:
    made.add(2, "two.py", 'def execute(ctx):\n    ctx.execute("lock table orders")\n')
    [statement] = made.statements(2)
    assert (statement.line, statement.locks) == (2, (TableLock(ORDERS, LockMode.ACCESS_EXCLUSIVE),))


@pytest.mark.parametrize("text", [b"selec 1;\n", b"\xff\xfe", b"create table t (\n", b"select 'never ended", b""])
def test_a_file_that_is_no_sql_costs_no_other_its_effects(made: Project, text: bytes) -> None:
    made.add(2, "two.sql", text)
    made.add(3, "three.sql", "alter table orders add column n int;")
    steps = made.effects([2, 3]).steps
    assert steps.get(3) is not None
    assert len(steps[3].statements) == 1


def test_without_the_parser_it_says_what_is_missing_and_how_to_get_it(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)
    made.add(2, "two.sql", "alter table orders add column n int;\ncommit;")
    effects = made.effects([2])
    assert effects.remedy == 'pip install "zmig[lint]"'
    assert "postgast" in effects.missing[0]
    assert effects.steps[2].statements == ()
    assert effects.steps[2].findings, "some rules need no parser"


def test_only_the_plans_own_migrations_are_looked_into(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(2, 40):
        made.add(version, f"m{version}.sql", f"create table t{version} ();", rollback=f"drop table t{version};")
    looked_into: list[int] = []
    undoing = Replayed.undoing

    def noted(replayed: Replayed, entry: Entry, *given: object, **named: object) -> object:
        looked_into.append(entry.version)
        return undoing(replayed, entry, *given, **named)  # pyright: ignore[reportArgumentType] - as it was called

    monkeypatch.setattr(Replayed, "undoing", noted)
    effects = made.effects([38, 39])
    assert [*effects.steps] == looked_into == [38, 39]
    assert not (made.folder / ".zmig").exists()
    assert pickle.loads(pickle.dumps(effects)) == effects


def test_a_manifest_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        preview.read(tmp_path / "none.yaml", [1], is_rollback=False, environ=os.environ)


def test_what_a_long_history_leads_to_is_kept(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made.folder.parent / "cache"))
    monkeypatch.setattr(preview, "_WORTH_KEEPING", 10)
    for version in range(2, 12):
        made.add(version, f"m{version}.sql", f"create table t{version} ();")
    first = made.effects([11])
    replayed: list[int] = []
    steps = Replayed.steps

    def noted(self: Replayed, entry: Entry, **named: object) -> object:
        replayed.append(entry.version)
        return steps(self, entry, **named)  # pyright: ignore[reportArgumentType] - as it was called

    monkeypatch.setattr(Replayed, "steps", noted)
    assert made.effects([11]) == first
    assert replayed == [11]
