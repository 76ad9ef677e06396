"""Findings that somebody decided to live with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

    Checked = Callable[..., Report]
    Found = Callable[..., list[tuple[str, int]]]

UNNAMED = "create index concurrently on t (a);\n"
OTHER = UNNAMED.replace("(a)", "(b)")
COMMENT = "-- zmig: ignore index/unnamed the name does not matter"


@pytest.fixture
def found(folder: Path, checked: Checked) -> Found:
    """Return the rules and lines that are found in an SQL file, whose entry may have more keys."""

    def run(sql: str, *, entry: str = "", top: str = "") -> list[tuple[str, int]]:
        (folder / "001_a.sql").write_text("-- why\n" + sql)
        text = f"manifest: 1\n{top}migrations:\n  - version: 1\n    file: 001_a.sql\n{entry}"
        (folder / "manifest.yaml").write_text(text)
        return [(one.rule, one.line) for one in checked().findings if one.rule != "rollback/missing"]

    return run


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(f"{COMMENT}\n{UNNAMED}", id="before the statement"),
        pytest.param(f"{COMMENT}\n\n-- more\n{UNNAMED}", id="some lines before it"),
        pytest.param(f"{UNNAMED.strip()} {COMMENT}", id="behind it on its line"),
        pytest.param(f"create index concurrently -- other\n  {COMMENT}\n  on t (a);\n", id="inside of it"),
        pytest.param(f"--zmig:  ignore index/unnamed: reason\n{UNNAMED}", id="spelled closely"),
        pytest.param(f"copy t from stdin;\n{COMMENT}\n\\.\n{COMMENT}\n{UNNAMED}", id="behind rows that spell one"),
    ],
)
def test_a_comment_hides_what_is_found_about_its_statement(found: Found, sql: str) -> None:
    assert found(sql, entry="    transaction: false\n") in ([], [("transaction/mixed", 2)])


def test_a_comment_holds_for_one_statement(found: Found) -> None:
    assert found(f"{COMMENT}\n{UNNAMED}{OTHER}") == [("index/unnamed", 4)]


@pytest.mark.parametrize(
    "sql", [f"select '\n{COMMENT}\n';\n", f"do $$ begin\n{COMMENT}\nend $$;\n", f"copy t from stdin;\n{COMMENT}\n\\.\n"]
)
def test_what_is_no_comment_ignores_nothing(found: Found, sql: str) -> None:
    assert found(sql) == []


def test_an_entry_hides_what_is_found_about_it(found: Found) -> None:
    ignore = "    lint: {ignore: [{rule: index/unnamed, reason: it is tried out}]}\n"
    assert found(UNNAMED + OTHER, entry=ignore) == []


def test_an_ignore_that_hides_nothing_is_found(found: Found) -> None:
    ignore = "    lint:\n      ignore:\n        - {rule: index/unnamed, reason: it is tried out}\n"
    assert found(f"{COMMENT}\nselect 1;\n", entry=ignore) == [("ignore/unused", 2), ("ignore/unused", 7)]


def test_an_ignore_of_a_rule_that_is_off_is_not(found: Found) -> None:
    off = 'lint: {severity: {index/unnamed: "off"}}\n'
    assert found(f"{COMMENT}\n{UNNAMED}", top=off) == []


def test_an_ignore_in_a_file_that_squawk_cannot_read_is_not(found: Found) -> None:
    assert found("-- zmig: ignore squawk/renaming-table none uses it\nalter table a rename to b;\nselec 1;\n") == [
        ("sql/syntax", 4)
    ]


def test_an_ignore_without_a_reason_still_ignores_and_is_found(found: Found) -> None:
    assert found(f"-- zmig: ignore index/unnamed\n{UNNAMED}") == [("ignore/invalid", 2)]


@pytest.mark.parametrize("name", ["index/unamed", ""])
def test_a_rule_that_does_not_exist_is_found(found: Found, name: str) -> None:
    assert ("ignore/unknown-rule", 2) in found(f"-- zmig: ignore {name}\nselect 1;\n")


def test_a_severity_of_a_rule_that_does_not_exist_is_found_once(found: Found) -> None:
    assert found("select 1;\n", top="lint: {severity: {index/unamed: error}}\n") == [("ignore/unknown-rule", 2)]


def test_a_rule_of_squawk_that_says_nothing_here_is_said_to_be_one(
    folder: Path, checked: Callable[..., Report]
) -> None:
    (folder / "001_a.sql").write_text("-- zmig: ignore squawk/prefer-robust-stmts so it was\nselect 1;\n")
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    (one,) = [one for one in checked().findings if one.rule == "ignore/unknown-rule"]
    assert one.message.startswith("`squawk/prefer-robust-stmts` is a rule of squawk that says nothing here: a file")
    assert one.hint == "remove it"


def test_what_apply_refuses_cannot_be_ignored(found: Found) -> None:
    ignore = "    lint: {ignore: [{rule: sql/psql-command, reason: no}]}\n"
    top = 'lint: {severity: {sql/psql-command: "off"}}\n'
    assert ("sql/psql-command", 2) in found("\\i other.sql\n", entry=ignore, top=top)


def test_the_given_manifest_weighs_over_the_one_it_includes(folder: Path, checked: Checked, found: Found) -> None:
    found(UNNAMED, top="lint: {severity: {index/unnamed: note, name/no-number: error}}\n")
    (folder / "manifest.yaml").rename(folder / "base.yaml")
    (folder / "manifest.yaml").write_text("manifest: 1\ninclude: [base.yaml]\n")
    assert [one.severity for one in checked().findings if one.rule == "index/unnamed"] == ["note"]
    root = "manifest: 1\ninclude: [base.yaml]\nlint: {severity: {index/unnamed: error}}\n"
    (folder / "manifest.yaml").write_text(root)
    assert [one.severity for one in checked().findings if one.rule == "index/unnamed"] == ["error"]


@pytest.mark.parametrize(
    ("comment", "hint"),
    [
        ("squawk-ignore renaming-table", "write `-- zmig: ignore squawk/renaming-table ...` with"),
        (
            "squawk-ignore renaming-table, ban-drop-view",
            "write `-- zmig: ignore squawk/renaming-table ...`, `-- zmig: ignore squawk/ban-drop-view ...` with",
        ),
        ("squawk-ignore", "write `-- zmig: ignore RULE ...` with"),
    ],
)
def test_a_comment_for_squawk_is_told(folder: Path, checked: Callable[..., Report], comment: str, hint: str) -> None:
    (folder / "001_a.sql").write_text(f"-- why\n-- {comment}\nselect 'squawk-ignore x';\n")
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    (found,) = checked().findings
    assert (found.rule, found.line, found.column) == ("ignore/squawk", 2, 4)
    assert (found.hint or "").startswith(hint)
