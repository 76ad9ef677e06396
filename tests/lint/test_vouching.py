"""A danger is not passed over for what earlier migrations only seem to say of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

SCANS, REWRITES = "squawk/adding-not-nullable-field", "squawk/changing-column-type"
BLOCKS, FAILS = "squawk/require-concurrent-index-creation", "transaction/refused"
CHECK = "alter table t add constraint c check (a is not null)"
SET = "alter table t alter column a set not null"


def told(folder: Path, *files: str) -> list[str]:
    """Return the rules that find something in the last of these files, which are migrations in order."""
    entries: list[str] = []
    for number, text in enumerate(files, start=1):
        (folder / f"{number:03}_m.sql").write_text(f"-- what it is for\n{text};\n", encoding="utf-8")
        entries.append(f"  - {{version: {number}, file: {number:03}_m.sql}}\n")
    lines = "manifest: 1\nlint: {severity: {rollback/missing: off}}\nmigrations:\n".replace("off", '"off"')
    (folder / "manifest.yaml").write_text(lines + "".join(entries), encoding="utf-8")
    found = lint([folder / "manifest.yaml"], environ={}).findings
    return [one.rule for one in found if one.file.endswith(f"{len(files):03}_m.sql")]


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        (["alter table t alter column a type text"], REWRITES),
        (["create table t (a int)", "alter table t alter column a type text"], REWRITES),
        (["create table t (a varchar(5))", "alter table t alter column a type text using upper(a)"], REWRITES),
        (["create table t (a varchar(5))", 'alter table t alter a type text collate "C"'], REWRITES),
        (["create table t (a varchar(5) check (a <> ''))", "alter table t alter a type text"], REWRITES),
        (["create table t (a varchar(5), check (a <> ''))", "alter table t alter a type text"], REWRITES),
        (
            ["create table t (a varchar(5))", "create index on t (lower(a))", "alter table t alter a type text"],
            REWRITES,
        ),
        (["create table if not exists t (a varchar(5))", "alter table t alter a type text"], REWRITES),
        (
            [
                "create table t (a varchar(5), check (a <> ''))",
                "alter table t rename a to b",
                "alter table t alter b type text",
            ],
            REWRITES,
        ),
        (["create table s.t (a varchar(5))", "alter table t alter a type text"], REWRITES),
        ([f"{CHECK} not valid", SET], SCANS),
        ([f"{CHECK} not valid", "alter table u validate constraint c", SET], SCANS),
        ([f"{CHECK} not valid", "alter table t validate constraint other", SET], SCANS),
        ([CHECK, "alter table t drop constraint c", SET], SCANS),
        ([CHECK, f"alter table t drop constraint c;\n{SET}"], SCANS),
        ([CHECK, "drop table t", SET], SCANS),
        ([CHECK, "alter table t rename column a to b", SET], SCANS),
        ([CHECK, "alter table t rename to u", SET], SCANS),
        (["alter table t add constraint c check (a is not null or b)", SET], SCANS),
        (["alter table t add column b int, add constraint c check (a is not null) not valid", SET], SCANS),
        (["alter table s.t add constraint c check (a is not null)", SET], SCANS),
        ([f"create table if not exists t (a int);\n{SET}"], SCANS),
        (["create table s.t (a int);\ncreate index i on t (a)"], BLOCKS),
        (["begin;\ncreate index concurrently i on t (a);\ncommit"], FAILS),
        (["start transaction;\nvacuum t;\ncommit"], FAILS),
        (["alter view v rename to w"], "squawk/renaming-object"),
        (["update t set a = 1, a = 2 where b = 3"], "squawk/ban-duplicate-column-assignments"),
        (["-- squawk-ignore-file\ncreate index i on t (a)"], BLOCKS),
        (["-- squawk-ignore-file\nselect 1"], "ignore/file"),
    ],
)
def test_what_seems_harmless_is_reported(folder: Path, files: list[str], rule: str) -> None:
    assert rule in told(folder, *files)


@pytest.mark.parametrize(
    "files",
    [
        ["create table t (id int, a varchar(5) not null default 'x', b int)", "alter table t alter a type text"],
        ["create table t (id int)", "alter table t add a character varying", "alter table t alter a type text"],
        ["create table public.t (a varchar(5))", "alter table t alter column a set data type varchar"],
        ["create table t (a varchar(5))", "create index concurrently i on t (a)", "alter table t alter a type text"],
        [CHECK, SET],
        ["alter table t add check (a is not null)", "alter table t drop constraint other", SET],
        ["alter table t add check (a is not null) not valid", "alter table t validate constraint t_a_check", SET],
        [
            f"{CHECK} not valid",
            "alter table public.t validate constraint c",
            f"{SET};\nalter table t drop constraint c",
        ],
        [f"{CHECK} not valid", "alter table t rename constraint c to d", "alter table t validate constraint d", SET],
        [CHECK, "alter table t rename column a to b", "alter table t alter column b set not null"],
        [f"create table t (a int);\n{SET};\ncreate index i on public.t (a)"],
        ["set search_path to s;\ncreate table t (a int);\ncreate index i on s.t (a)"],
        ["begin;\nupdate t set a = 1 where b;\ncommit;\ncreate index concurrently i on t (a)"],
        ["drop view v;\ncreate view v as select 1"],
        ["alter table t drop constraint c, add constraint c check (a > 1) not valid"],
        ["select 'squawk-ignore-file'"],
    ],
)
def test_what_is_proved_is_not(folder: Path, files: list[str]) -> None:
    assert [rule for rule in told(folder, *files) if not rule.startswith("name/")] == []
