"""How much a finding matters: by the harm that it does, and by what the manifest says of rules and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.lint.registry import RULES, named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Checked = Callable[..., Report]
    Told = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def told(folder: Path, checked: Checked) -> Told:
    """Return the rules and severities of what is found in a file, with this `lint` in the manifest."""

    def run(sql: str, lint: str = "{}", *, entry: str = "") -> list[tuple[str, str]]:
        (folder / "001_a.sql").write_text(f"-- why\n{sql};\n")
        entries = f"migrations:\n  - version: 1\n    file: 001_a.sql\n{entry}"
        (folder / "manifest.yaml").write_text(f"manifest: 1\n{entries}lint: {lint}\n")
        found = [(one.rule, one.severity.value) for one in checked().findings]
        return [one for one in found if one[0] != "rollback/missing"]

    return run


RENAME = "alter table t rename to u"
TYPE = "alter table t alter column a type bigint"


@pytest.mark.parametrize(
    ("lint", "severity"),
    [
        ("{}", "warning"),
        ("{severity: {group/compat: error}}", "error"),
        ("{severity: {'squawk/*': error}}", "error"),
        ("{severity: {'squawk/renaming-*': note, group/compat: error}}", "note"),
        ("{severity: {'squawk/renaming-*': note, 'squawk/*': error}}", "note"),
        ("{severity: {'squawk/renaming-*': 'off', squawk/renaming-table: error}}", "error"),
        ("{severity: {'squawk/ren*-table': error}}", "error"),
        ("{severity: {'group/com*': error}}", "error"),
        ("{severity: {group/lock: error}}", "warning"),
    ],
)
def test_the_most_exact_name_says_how_much_a_rule_matters(told: Told, lint: str, severity: str) -> None:
    found = told(RENAME, lint)
    assert [one for one in found if one[0] != "squawk/require-table-schema"] == [("squawk/renaming-table", severity)]


def test_a_group_can_be_switched_on_and_off(told: Told) -> None:
    assert told(RENAME, "{severity: {group/compat: 'off'}}") == []
    assert told("create table t (a bigserial primary key)", "{severity: {'squawk/prefer-identity': note}}") == [
        ("squawk/prefer-identity", "note")
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("squawk/renamin-table", "write `squawk/renaming-table`"),
        ("group/secrity", "write `group/security`"),
        ("none-*", "run `zmig lint --rules`"),
    ],
)
def test_a_name_that_means_no_rule_is_told(told: Told, checked: Checked, name: str, hint: str) -> None:
    assert told("select 1", f"{{severity: {{'{name}': error}}}}") == [("ignore/unknown-rule", "error")]
    assert hint in [one.hint for one in checked().findings]
    assert told("select 1", entry=f"    lint: {{ignore: [{{rule: '{name}', reason: because}}]}}\n")[0] == (
        "ignore/unknown-rule",
        "error",
    )


@pytest.mark.parametrize("name", ["squawk/renaming-*", "group/compat", "squawk/renaming-table"])
def test_an_ignore_may_mean_several_rules(told: Told, name: str) -> None:
    ignore = f"    lint: {{ignore: [{{rule: '{name}', reason: nobody uses it}}]}}\n"
    assert told(RENAME, entry=ignore) == []
    assert told(f"-- zmig: ignore {name} nobody uses it\n{RENAME}") == []
    assert told("select 1", entry=ignore) == [("ignore/unused", "warning")]


def test_every_name_of_a_group_means_its_rules() -> None:
    assert named("group/security") == {code for code, rule in RULES.items() if rule.group == "security"}
    assert "lock/table-rewrite" in named("group/lock")
    assert named("group/base") == named("base/*")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (TYPE, ("squawk/changing-column-type", "error")),
        ("create index i on t (a)", ("squawk/require-concurrent-index-creation", "error")),
        ("truncate t cascade", ("squawk/ban-truncate-cascade", "error")),
        ("alter table t disable row level security", ("squawk/ban-alter-row-level-security", "error")),
        ("alter table t no force row level security", ("squawk/ban-alter-row-level-security", "error")),
        ("alter role r superuser", ("squawk/ban-alter-role-options", "error")),
        ("alter table t drop column a", ("squawk/ban-drop-column", "warning")),
        ("drop table t", ("squawk/ban-drop-table", "warning")),
        ("alter table t disable trigger all", ("squawk/ban-disable-trigger", "warning")),
        ("alter table t replica identity nothing", ("squawk/ban-replica-identity", "warning")),
        ("drop trigger g on t", ("squawk/ban-drop-trigger", "note")),
        ("revoke select on t from app", ("squawk/ban-revoke", "warning")),
        ("revoke select on t from public, app", ("squawk/ban-revoke", "warning")),
        ("alter table t owner to app", ("squawk/ban-revoke", "warning")),
        ("create role app;\nalter table t owner to app", ("squawk/ban-revoke", "note")),
        ("drop owned by app", ("squawk/ban-revoke", "warning")),
        ("alter sequence s restart with 1", ("squawk/ban-alter-sequence-values", "warning")),
        ("drop index i", ("squawk/require-concurrent-index-deletion", "note")),
        ("alter table t add column c char(3)", ("squawk/ban-char-field", "note")),
    ],
)
def test_harm_is_what_makes_a_severity(told: Told, sql: str, found: tuple[str, str]) -> None:
    assert told(sql) == [found]


@pytest.mark.parametrize(
    "sql",
    [
        "alter table t enable row level security",
        "alter table t force row level security",
        "alter table t enable trigger g",
        "alter table t replica identity using index i",
        "alter table t replica identity full",
        "alter table t owner to current_user",
        "alter schema s owner to session_user",
        "drop role if exists nobody",
        "create schema fresh;\nalter schema fresh owner to app",
        "create type size as enum ('s');\nalter type size owner to app",
        "create type public.size as enum ('s');\nalter type size owner to app",
        "create domain name_of as text;\nalter domain name_of owner to app",
        "create function one() returns int language sql as 'select 1';\nalter function one() owner to app",
        "create publication p for table t;\nalter publication p owner to app",
        "create statistics st on a, b from t;\nalter statistics st owner to app",
        "alter role r connection limit 20",
        "alter role r nosuperuser",
        "revoke all on function f() from public",
        "revoke all on t from public cascade",
        "alter sequence s increment 5",
        "drop trigger if exists g on t;\ncreate trigger g before update on t for each row execute function f()",
        "drop policy p on s.t;\ncreate policy p on s.t using (a = 1)",
    ],
)
def test_what_does_no_harm_is_not_reported(told: Told, sql: str) -> None:
    assert told(sql) == []


@pytest.mark.parametrize(("start", "files"), [(0, ["001_a.sql", "002_b.sql"]), (1, ["002_b.sql"]), (2, [])])
def test_entries_up_to_a_version_are_read_and_not_reported(
    folder: Path, checked: Checked, start: int, files: list[str]
) -> None:
    (folder / "001_a.sql").write_text("-- why\nalter table t rename to u;\n")
    (folder / "002_b.sql").write_text("-- why\nalter table u rename to v;\n")
    entries = "migrations: [{version: 1, file: 001_a.sql}, {version: 2, file: 002_b.sql}]\n"
    lint = f"lint: {{start_after: {start}}}\n" if start else ""
    (folder / "manifest.yaml").write_text(f"manifest: 1\n{entries}{lint}")
    assert [one.file for one in checked().findings if one.rule == "squawk/renaming-table"] == files


def test_what_zmig_refuses_is_told_of_every_entry(folder: Path, checked: Checked) -> None:
    (folder / "001_a.sql").write_text("-- why\nselect '\n")
    entries = "migrations: [{version: 1, file: 001_a.sql}]\n"
    (folder / "manifest.yaml").write_text(f"manifest: 1\n{entries}lint: {{start_after: 9}}\n")
    assert [one.rule for one in checked().findings] == ["sql/unterminated"]
