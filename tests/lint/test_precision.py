"""What looks like a danger and is none, as real histories have it, beside what looks the same and is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from zmig.lint.finding import Severity
from zmig.lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

    from zmig.lint.finding import Finding

BASE = """
create type mood as enum ('sad', 'ok');
create type other as enum ('good');
create domain temper as text check (value <> '');
create table people (id bigint primary key, name text, mood mood, age int not null default 1, note text default '');
create table places (id bigint primary key, city text, person_id bigint references people);
create table towns (id bigint primary key, city text);
create table keyed (id bigint, part int, other int);
create unique index keyed_id on keyed (id);
create table keys (id bigint primary key, keyed_id bigint references keyed (id));
create function stamp() returns trigger language plpgsql as $$ begin return new; end $$;
create function twice(x int) returns int language sql as 'select 2 * x';
create trigger people_stamp before update on people for each row execute function stamp();
create view grown as select id from people;
create view young as select id from people;
"""


def findings(folder: Path, *files: str, back: str | None = None) -> list[Finding]:
    """Return what is found about the last of some migrations after the base, and about its rollback."""
    entries: list[str] = []
    for number, text in enumerate((BASE, *files), start=1):
        (folder / f"{number:03}_m.sql").write_text(f"-- what it is for\n{text};\n", encoding="utf-8")
        rollback = ""
        if back is not None and number == len(files) + 1:
            (folder / "back.sql").write_text(f"{back};\n", encoding="utf-8")
            rollback = ", rollback: back.sql"
        entries.append(f"  - {{version: {number}, file: {number:03}_m.sql{rollback}}}\n")
    head = 'manifest: 1\nlint: {severity: {rollback/missing: "off"}}\nmigrations:\n'
    (folder / "manifest.yaml").write_text(head + "".join(entries), encoding="utf-8")
    found = lint([folder / "manifest.yaml"], environ={}).findings
    return [one for one in found if one.migration == f"{len(files) + 1:03}_m"]


def severity(folder: Path, rule: str, *files: str, back: str | None = None) -> Severity | None:
    """Return how much a rule matters in what is found; None where it finds nothing."""
    return next((one.severity for one in findings(folder, *files, back=back) if one.rule == rule), None)


SWAPPED = (
    "alter type mood rename to mood_old;\ncreate type mood as enum ('ok');\n"
    "alter table people alter mood type mood using mood::text::mood;\ndrop type mood_old"
)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        # what has its name from the same file, no client has used by that
        ("alter table people add column c int;\nalter table people drop column c", "squawk/ban-drop-column"),
        (
            "alter table people rename name to name_old;\nalter table people add name text;\n"
            "alter table people drop name_old",
            "squawk/ban-drop-column",
        ),
        ("alter table people add column c int;\nalter table people rename c to d", "squawk/renaming-column"),
        (
            "alter table people rename name to old;\nalter table people add name text",
            "squawk/renaming-column",
        ),
        (SWAPPED, "squawk/ban-drop-type"),
        (SWAPPED, "squawk/renaming-object"),
        ("create type m as enum ('a');\ndrop type mood;\nalter type m rename to mood", "squawk/ban-drop-type"),
        (
            "alter table people add column c int not null default 1;\nalter table people alter c drop default",
            "squawk/ban-drop-default",
        ),
        ("alter table people alter age drop default, alter age set default 2", "squawk/ban-drop-default"),
        # only the server calls it
        ("drop trigger people_stamp on people;\ndrop function stamp()", "squawk/ban-drop-function"),
        ("alter function stamp() rename to stamped", "squawk/renaming-object"),
        # triggers that fire again at the end
        (
            "alter table people disable trigger people_stamp;\nupdate people set age = 2 where id = 1;\n"
            "alter table people enable trigger people_stamp",
            "squawk/ban-disable-trigger",
        ),
        # the statement names all that goes
        ("drop view grown, young cascade", "data/drop-cascade"),
        (
            "create view older as select id from grown;\ndrop view grown, young, older cascade",
            "data/drop-cascade",
        ),
        # no migration has made it before
        (
            "create table if not exists n (id bigint primary key, a int);\ncreate index if not exists n_a on n (a)",
            "squawk/require-concurrent-index-creation",
        ),
        (
            "drop index keyed_id cascade;\nalter table keys add constraint keys_keyed_id_fkey foreign key (id) "
            "references people not valid",
            "fails/exists",
        ),
        # what is empty is built at once
        (
            "truncate people cascade;\ncreate index people_name on people (name)",
            "squawk/require-concurrent-index-creation",
        ),
        ("truncate people cascade;\nalter table people add unique (name)", "squawk/disallowed-unique-constraint"),
        # a name of another type's value, and no use of it
        (
            "alter type mood add value 'fine';\nalter type other rename value 'good' to 'fine'",
            "transaction/enum-value",
        ),
    ],
)
def test_what_is_no_danger_is_not_reported(folder: Path, sql: str, rule: str) -> None:
    assert severity(folder, rule, sql) is None


@pytest.mark.parametrize(
    ("sql", "rule", "found"),
    [
        ("alter table people drop column name", "squawk/ban-drop-column", Severity.WARNING),
        ("alter table people rename name to title", "squawk/renaming-column", Severity.WARNING),
        (
            "alter table people rename name to old;\nalter table people add name int",
            "squawk/renaming-column",
            Severity.WARNING,
        ),
        ("alter type mood rename to feeling", "squawk/renaming-object", Severity.WARNING),
        ("alter type mood rename value 'ok' to 'fine'", "squawk/renaming-object", Severity.WARNING),
        ("alter table people rename constraint people_pkey to p", "squawk/renaming-object", Severity.NOTE),
        ("alter table other.unknown rename constraint a to b", "squawk/renaming-object", Severity.NOTE),
        ("alter index keyed_id rename to k", "squawk/renaming-object", Severity.NOTE),
        ("alter table people alter age drop default", "squawk/ban-drop-default", Severity.WARNING),
        ("alter table other.unknown alter age drop default", "squawk/ban-drop-default", Severity.WARNING),
        ("alter table people alter note drop default", "squawk/ban-drop-default", Severity.NOTE),
        ("alter table people alter age drop not null", "squawk/ban-drop-not-null", Severity.NOTE),
        ("drop function twice(int)", "squawk/ban-drop-function", Severity.WARNING),
        ("drop trigger people_stamp on people", "squawk/ban-drop-trigger", Severity.NOTE),
        ("alter table people disable trigger people_stamp", "squawk/ban-disable-trigger", Severity.WARNING),
        (
            "alter table people disable trigger all;\nupdate people set age = 2 where id = 1;\n"
            "alter table people enable trigger all",
            "squawk/ban-disable-trigger",
            Severity.WARNING,
        ),
        ("drop view grown cascade;\ndrop table people cascade", "data/drop-cascade", Severity.ERROR),
        (
            "create table if not exists people (id bigint primary key);\ncreate index p on people (name)",
            "squawk/require-concurrent-index-creation",
            Severity.ERROR,
        ),
        ("drop index keyed_id cascade", "data/drop-cascade", Severity.ERROR),
        ("drop index keyed_id", "fails/in-the-way", Severity.ERROR),
        ("alter type mood add value 'fine';\nupdate people set mood = 'fine' where id = 1", "transaction/enum-value",
         Severity.ERROR),
        # rows of one value are some of a table, rows without one may be all of them
        ("update people set age = 3 where note = 'x' and age > 3", "lock/many-rows", Severity.NOTE),
        ("delete from people where note in ('x', 'y')", "lock/many-rows", Severity.NOTE),
        ("update people set age = 3 where note is null", "lock/many-rows", Severity.WARNING),
        ("update people set age = 3 from places where person_id = people.id", "lock/many-rows", Severity.WARNING),
        ("update places set city = 'x' where id = person_id", "lock/many-rows", Severity.WARNING),
        # a default of null has the server check a key that is null everywhere
        ("alter table places add person bigint references people default null", "squawk/adding-foreign-key-constraint",
         Severity.ERROR),
        ("alter table people add t temper not null", "squawk/adding-required-field", Severity.ERROR),
    ],
)  # fmt: skip
def test_what_looks_the_same_and_is_one_is(folder: Path, sql: str, rule: str, found: Severity) -> None:
    assert severity(folder, rule, sql) is found


def test_a_column_that_may_not_be_there_may_be_added(folder: Path) -> None:
    made = "create extension postgis;\ncreate table if not exists maybe (id bigint primary key, a int)"
    more = "alter table maybe add column if not exists a int generated always as (id * 2) stored"
    assert severity(folder, "squawk/adding-field-with-default", made, more) is Severity.ERROR
    assert severity(folder, "squawk/adding-field-with-default", more.replace("maybe", "people")) is Severity.ERROR
    key = "alter table maybe add column if not exists a uuid default gen_random_uuid() primary key"
    assert severity(folder, "squawk/adding-field-with-default", made, key) is Severity.ERROR
    known = more.replace("maybe add column if not exists a", "people add column if not exists age")
    assert severity(folder, "squawk/adding-field-with-default", known) is None


def test_what_code_compares_a_key_with_is_a_variable(folder: Path) -> None:
    code = "begin update people set age = 2 where id = wanted; end"
    call = f"create procedure p(wanted bigint) language plpgsql as $$ {code} $$;\ncall p(1)"
    named = "do $$ begin execute 'alter table ' || 'people add x int'; perform 'people'; end $$"
    assert severity(folder, "lock/many-rows", named, call) is None


def test_one_statement_that_cascades_is_told_once(folder: Path) -> None:
    found = findings(folder, "drop table people, keyed cascade")
    (message,) = [one.message for one in found if one.rule == "data/drop-cascade"]
    assert "the constraint `places.places_person_id_fkey`" in message
    assert "the constraint `keys.keys_keyed_id_fkey`" in message


BRIEF = "alter table people add column c int;\nalter table places add column c int"


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (BRIEF, Severity.NOTE),
        (f"{BRIEF};\nalter table towns add column c int", Severity.WARNING),
        ("alter table people add column c int;\nalter table places alter id type numeric", Severity.WARNING),
        (
            "alter table people add column c int;\nupdate places set city = 'x' where city is null;\n"
            "alter table places add column c int",
            Severity.WARNING,
        ),
    ],
)
def test_brief_locks_of_two_tables_are_a_note(folder: Path, sql: str, found: Severity) -> None:
    assert severity(folder, "lock/several-tables", sql) is found


def test_a_rollback_is_not_asked_to_lock_one_table_after_another(folder: Path) -> None:
    back = "alter table places drop column c;\nalter table people drop column c"
    told = [one.file for one in findings(folder, BRIEF, back=back) if one.rule == "lock/several-tables"]
    assert told == ["002_m.sql"]


def test_a_rollback_that_needs_an_empty_table_is_told_so_once(folder: Path) -> None:
    back = "alter table people add column name text not null"
    told = [
        one.rule for one in findings(folder, "alter table people drop column name", back=back) if "back" in one.file
    ]
    assert [rule for rule in told if rule in ("rollback/needs-empty-table", "lock/table-scan")] == [
        "rollback/needs-empty-table"
    ]


def test_a_name_is_told_without_the_comment_after_it(folder: Path) -> None:
    (message,) = [
        one.message
        for one in findings(folder, "alter table people\n  -- nobody needs it\n  alter age drop default")
        if one.rule == "squawk/ban-drop-default"
    ]
    assert message == "clients that leave out `age` of `people` no longer get its default"


def test_names_that_another_tool_gave_are_left_alone(folder: Path) -> None:
    (folder / "20240101_first.sql").write_text("create table a (id bigint primary key);\n", encoding="utf-8")
    (folder / "up.sql").write_text("create table b (id bigint primary key);\n", encoding="utf-8")
    entries = (
        '  - {version: 1, file: 20240101_first.sql, origin: {goose: "20240101"}}\n'
        '  - {version: 2, file: up.sql, name: second, origin: {diesel: "2024-01-02"}}\n'
    )
    manifest = folder / "manifest.yaml"
    manifest.write_text(f"manifest: 1\nmigrations:\n{entries}", encoding="utf-8")
    told = [one.rule for one in lint([manifest], environ={}).findings]
    assert [rule for rule in told if rule.startswith("name/")] == []
    manifest.write_text(re.sub(", origin: {.*?}", "", manifest.read_text()), encoding="utf-8")
    told = [one.rule for one in lint([manifest], environ={}).findings]
    assert sorted({rule for rule in told if rule.startswith("name/")}) == [
        "name/differs",
        "name/no-description",
        "name/no-number",
    ]


def test_a_folder_may_have_the_number(folder: Path) -> None:
    (folder / "002_second").mkdir()
    (folder / "002_second" / "up.sql").write_text("-- what it is for\ncreate table b (id bigint primary key);\n")
    manifest = folder / "manifest.yaml"
    manifest.write_text("manifest: 1\nmigrations:\n  - {version: 2, file: 002_second/up.sql, name: second}\n")
    assert [one.rule for one in lint([manifest], environ={}).findings if one.rule.startswith("name/")] == []


def test_a_rollback_may_move_values_into_a_column_of_another_type(folder: Path) -> None:
    forward = "alter table people alter age type text"
    moved = (
        "alter table people add column age_new int;\nupdate people set age_new = age::int;\n"
        "alter table people drop column age;\nalter table people rename column age_new to age"
    )
    assert severity(folder, "rollback/loses-data", forward, back=moved) is None
    lost = moved.replace("update people set age_new = age::int;\n", "")
    assert severity(folder, "rollback/loses-data", forward, back=lost) is Severity.ERROR


def test_an_index_that_became_a_constraint_goes_with_it(folder: Path) -> None:
    made = "alter table keyed add constraint keyed_key unique using index keyed_part"
    more = "create unique index concurrently keyed_part on keyed (part)"
    found = findings(folder, more, made, back="alter table keyed drop constraint keyed_key")
    (told,) = [one for one in found if one.rule == "rollback/incomplete"]
    assert (
        told.message == "the rollback drops the index `keyed_part` with the constraint that this statement makes of it"
    )
    assert told.hint == "make the index again at the end of `back.sql`, with `concurrently`"
    back = "alter table keyed drop constraint keyed_key;\ncreate unique index concurrently keyed_part on keyed (part)"
    told = findings(folder, more, made, back=back)
    assert [one.rule for one in told if one.severity is not Severity.NOTE and one.rule != "transaction/mixed"] == []


GIVEN = "create role app;\ncreate schema own;\ngrant select on people to app;\ngrant usage on schema own to app"


@pytest.mark.parametrize(
    ("forward", "back", "message"),
    [
        ("grant insert on people to app", "select 1", "the rollback leaves INSERT on `people` to `app`"),
        (
            "grant select, insert, update (name, age) on people to app",
            "revoke insert on people from app",
            "the rollback leaves UPDATE (name, age) on `people` to `app`",
        ),
        ("revoke select on people from app", "select 1", "the rollback does not give SELECT on `people` to `app` back"),
        (
            "grant insert on people to app",
            "revoke all on people from app",
            "this takes SELECT on `people` to `app`, which was given before",
        ),
        ("revoke usage on schema own from app", "select 1", "does not give USAGE on `own` to `app` back"),
        ("grant execute on function twice(int) to app", "select 1", "leaves EXECUTE on `twice` to `app`"),
        ("grant select on grown to app", "select 1", "the rollback leaves SELECT on `grown` to `app`"),
    ],
)
def test_privileges_that_a_rollback_leaves_are_found(folder: Path, forward: str, back: str, message: str) -> None:
    found = [one for one in findings(folder, GIVEN, forward, back=back) if one.rule == "rollback/incomplete"]
    assert [message in one.message for one in found] == [True]


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        ("grant insert on people to app", "revoke insert on people from app"),
        ("grant select on people to app", "select 1"),
        ("grant all on towns to app", "revoke all on towns from app"),
        ("create table n (id bigint primary key);\ngrant select on n to app", "drop table n"),
        ("drop view grown;\ncreate view grown as select id from people;\ngrant select on grown to app",
         "drop view grown;\ncreate view grown as select id from people"),
        ("grant insert on people to app", "do $$ begin revoke insert on people from app; end $$"),
        ("grant select on all tables in schema own to app", "select 1"),
        ("grant select on unknown.t to app", "select 1"),
    ],
)  # fmt: skip
def test_what_is_as_it_was_or_not_known_is_not(folder: Path, forward: str, back: str) -> None:
    found = findings(folder, GIVEN, forward, back=back)
    assert [one.message for one in found if one.rule == "rollback/incomplete"] == []
