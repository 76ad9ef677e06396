"""A danger is not passed over for what earlier migrations only seem to say of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

SCANS, REWRITES = "squawk/adding-not-nullable-field", "squawk/changing-column-type"
CHECKS, REFERS = "squawk/constraint-missing-not-valid", "squawk/adding-foreign-key-constraint"
MISSING = "fails/missing"
BLOCKS, FAILS = "squawk/require-concurrent-index-creation", "transaction/refused"
CHECK = "alter table t add constraint c check (a is not null)"
IN_X = "set search_path = x;\ncreate table t (a int)"
THEN = "set search_path ="
UNKNOWN = "select set_config('search_path', 'x', false)"
SET = "alter table t alter column a set not null"


def told(folder: Path, *files: str) -> list[str]:
    """Return the rules that find something in the last of these files, which are migrations in order."""
    entries: list[str] = []
    for number, text in enumerate(files, start=1):
        (folder / f"{number:03}_m.sql").write_text(f"-- what it is for\n{text};\n", encoding="utf-8")
        entries.append(f"  - {{version: {number}, file: {number:03}_m.sql}}\n")
    off = "rollback/missing: off, design/no-primary-key: off, data/unlogged: off"
    lines = f"manifest: 1\nlint: {{severity: {{{off}}}}}\nmigrations:\n".replace("off", '"off"')
    (folder / "manifest.yaml").write_text(lines + "".join(entries), encoding="utf-8")
    found = lint([folder / "manifest.yaml"], environ={}).findings
    return [one.rule for one in found if one.file.endswith(f"{len(files):03}_m.sql")]


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        (["alter table t alter column a type text"], REWRITES),
        (["create table t (a int)", "alter table t alter column a type text"], REWRITES),
        (["create table t (a varchar(5))", "alter table t alter column a type text using upper(a)"], REWRITES),
        (
            [
                "create table t (a varchar(5))",
                "create index concurrently i on t (a)",
                'alter table t alter a type text collate "C"',
            ],
            REWRITES,
        ),
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
        ([CHECK, "drop table t", SET], MISSING),
        ([CHECK, "alter table t rename column a to b", SET], MISSING),
        ([CHECK, "alter table t rename to u", SET], MISSING),
        (["alter table t add constraint c check (a is not null or b)", SET], SCANS),
        (["alter table t add column b int, add constraint c check (a is not null) not valid", SET], SCANS),
        (["alter table s.t add constraint c check (a is not null)", SET], SCANS),
        ([f"create table if not exists t (a int);\n{SET}"], SCANS),
        (["create table s.t (a int);\ncreate index i on t (a)"], BLOCKS),
        (["create table if not exists t (a int);\ncreate index i on t (a)"], BLOCKS),
        (["create table if not exists t as select 1 as a;\ncreate index i on t (a)"], BLOCKS),
        ([f"create table if not exists t (a int);\n{CHECK}"], CHECKS),
        (["create table if not exists t (a int);\nalter table t add foreign key (a) references z (id)"], REFERS),
        (["create table t (a int);\ncreate table if not exists u ();\ncreate index i on u (a)"], BLOCKS),
        ([f"{IN_X};\n{THEN} y;\ncreate index i on t (a)"], BLOCKS),
        ([f"{IN_X};\n{THEN} y;\n{CHECK}"], CHECKS),
        ([f"{IN_X};\nset schema 'y';\ncreate index i on t (a)"], BLOCKS),
        ([f"{IN_X};\nreset all;\ncreate index i on t (a)"], BLOCKS),
        ([f"{IN_X};\ndo $$ begin perform set_config('search_path', 'y', true); end $$;\n{CHECK}"], CHECKS),
        (["begin;\nset local search_path = x;\ncreate table t (a int);\ncommit;\ncreate index i on t (a)"], BLOCKS),
        (["create table t (a int);\nbegin;\nset search_path = x;\nrollback;\ncreate index i on x.t (a)"], BLOCKS),
        ([f"{UNKNOWN};\ncreate table t (a int);\n{UNKNOWN};\ncreate index i on t (a)"], BLOCKS),
        ([f"{UNKNOWN};\n{CHECK}", f"{UNKNOWN};\n{SET}"], SCANS),
        (["begin;\ncreate table t (a int);\nrollback;\ncreate index i on t (a)"], BLOCKS),
        (["savepoint s;\ncreate table t (a int);\nrollback to s;\ncreate index i on t (a)"], BLOCKS),
        (["create table t (a int);\ndrop table t;\ncreate index i on t (a)"], MISSING),
        (["create temp table t (a int);\ndrop table t;\ncreate index i on t (a)"], BLOCKS),
        (["create temp table t (a int);\ncreate index i on public.t (a)"], BLOCKS),
        (["create temp table t (a int);\nset search_path = public, pg_temp;\ncreate index i on t (a)"], BLOCKS),
        (["begin;\ncreate temp table t (a int) on commit drop;\ncommit;\ncreate index i on t (a)"], BLOCKS),
        (["create temp table t (a int)", "create index i on t (a)"], BLOCKS),
        (["create table t (a int);\nalter table t set schema s;\ncreate index i on t (a)"], MISSING),
        (["create table s.t (a int);\nalter schema s rename to r;\ncreate index i on s.t (a)"], MISSING),
        (["create table s.t (a int);\ndrop schema s cascade;\ncreate index i on s.t (a)"], MISSING),
        (["create table t (a int);\ndo $$ begin alter table t rename to u; end $$;\ncreate index i on t (a)"], BLOCKS),
        (["do $$ begin create table t (a int); end $$;\ncreate index i on t (a)"], BLOCKS),
        (["create table n (a int);\nalter table t rename to o;\ncreate index i on o (a)"], BLOCKS),
        (['create table "T" (a int);\ncreate index i on t (a)'], MISSING),
        (["create table p partition of t default;\ncreate index i on t (a)"], BLOCKS),
        (["create table u (like t);\ncreate index i on t (a)"], BLOCKS),
        (["select 1 as a into u;\ncreate index i on t (a)"], BLOCKS),
        (["create table t (a int)", "create index i on t (a)"], BLOCKS),
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
        ["create table t (a varchar(5))", 'alter table t alter a type text collate "C"'],
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
        ["create table n (a int);\nalter table n rename to t;\ncreate index i on t (a)"],
        ["create table t as select 1 as a;\ncreate index i on t (a)"],
        ["create table t (like u);\ncreate index i on t (a)"],
        ["create table p partition of t default;\ncreate index i on p (a)"],
        ["select 1 as a into unlogged t;\ncreate index i on t (a)"],
        ["create temp table t (a int);\ncreate index i on t (a)"],
        ["create temporary table if not exists t (a int);\nalter table t rename to u;\ncreate index i on u (a)"],
        ["create temp table t on commit drop as select 1 as a;\ncreate index i on t (a)"],
        ["select 1 as a into temp t;\ncreate index i on t (a)"],
        ["-- zmig: ignore squawk/ban-drop-table why\ndrop table t;\ncreate table t (a int);\ncreate index i on t (a)"],
        ['create table "T" (a int);\ncreate index i on public."T" (a)'],
        ["create table t (a int);\nalter table t set schema s;\ncreate index i on s.t (a)"],
        ["set local search_path = x;\ncreate table t (a int);\ncreate index i on x.t (a)"],
        [f"{UNKNOWN};\ncreate table t (a int);\ncreate index i on t (a)"],
        ["create table t (a int);\ndo $$ begin perform 1; end $$;\ncreate index i on t (a)"],
        [
            "create table u (a int)",
            "create table t (a int);\n-- squawk-ignore require-concurrent-index-creation\ncreate index i on u (a)",
        ],
        ["begin;\nupdate t set a = 1 where id = 7;\ncommit;\ncreate index concurrently i on t (a)"],
        ["drop view v;\ncreate view v as select 1"],
        ["alter table t drop constraint c, add constraint c check (a > 1) not valid"],
        ["select 'squawk-ignore-file'"],
    ],
)
def test_what_is_proved_is_not(folder: Path, files: list[str]) -> None:
    beside = ("name/", "ignore/squawk")
    assert [rule for rule in told(folder, *files) if not rule.startswith(beside)] == []


def test_a_variable_may_be_any_name(folder: Path) -> None:
    (folder / "001_t.sql").write_text("-- why\ncreate table a ();\ncreate table ${name} (a int);\n")
    (folder / "002_t.sql").write_text("-- why\nalter table t add column b int;\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nvariables: {name: t}\nlint: {severity: {rollback/missing: 'off', design/no-primary-key: 'off'}}\n"
        "migrations: [{version: 1, file: 001_t.sql, variables: true}, {version: 2, file: 002_t.sql}]\n"
    )
    assert lint([folder / "manifest.yaml"], environ={}).findings == ()


DUMP = """
\\restrict abc

SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.users (
    id bigint NOT NULL,
    name character varying(100),
    CONSTRAINT named CHECK ((name IS NOT NULL))
);
ALTER TABLE public.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.users_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1
);
ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE VIEW public.names AS SELECT users.id, users.name FROM public.users;

\\unrestrict abc
"""


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("alter table users alter column name set not null", None),
        ("alter table users add column note text", None),
        ("alter table users alter column id set not null", None),
        ("create index i on users (name)", BLOCKS),
        ("alter table users alter column name type text", "fails/in-the-way"),
        ("alter table users drop column nothing", MISSING),
        ("create table users (id int)", "fails/exists"),
        ("alter table others add column note text", MISSING),
    ],
)
def test_a_dump_may_be_the_start(folder: Path, sql: str, rule: str | None) -> None:
    (folder / "schema.sql").write_text(DUMP.replace("\\\\", "\\"))
    (folder / "001_a.sql").write_text(f"-- why\n{sql};\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nlint: {start: schema.sql, severity: {rollback/missing: 'off'}}\n"
        "migrations: [{version: 1, file: 001_a.sql}]\n"
    )
    assert [one.rule for one in lint([folder / "manifest.yaml"], environ={}).findings] == ([rule] if rule else [])


def test_a_start_that_is_not_there_is_reported(folder: Path) -> None:
    (folder / "001_a.sql").write_text("-- why\nselect 1;\n")
    (folder / "manifest.yaml").write_text(
        "manifest: 1\nlint: {start: nothing.sql}\nmigrations: [{version: 1, file: 001_a.sql}]\n"
    )
    (found,) = lint([folder / "manifest.yaml"], environ={}).findings
    assert (found.rule, found.line, found.column) == ("file/missing", 2, 15)
