"""The formats that other programs read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from zmig.cli.main import main
from zmig.lint.report import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFEST = (
    "manifest: 1\nlint: {severity: {rollback/missing: 'off'}}\nmigrations:\n  - {version: 1, file: 'sql/001 a,b.sql'}\n"
)
SQL = "-- 100% why & <how>\ncommit;\n/* ü */ create index on t (\n  a);\n"


@pytest.fixture
def shop(folder: Path) -> Path:
    """A manifest with an error, a warning, in a file whose name has everything that formats must quote."""
    (folder / "sql").mkdir()
    (folder / "sql" / "001 a,b.sql").write_text(SQL)
    (folder / "manifest.yaml").write_text(MANIFEST)
    return folder


@pytest.fixture
def told(shop: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Return what `zmig lint --format` writes to stdout."""

    def run(form: str) -> str:
        capsys.readouterr()
        assert main(["lint", "manifest.yaml", "--format", form]) == 1
        return capsys.readouterr().out

    return run


def test_text_shows_the_line_with_a_caret(told: Callable[[str], str]) -> None:
    first, second = told("text").split("\n\n")
    assert first.splitlines() == [
        "error[transaction/control]: `COMMIT` is in a file that zmig runs in one transaction of its own",
        "  --> sql/001 a,b.sql:2:1",
        "   |",
        " 2 | commit;",
        "   | ^^^^^^",
        "hint: remove the statement: zmig begins the transaction, and commits it together with its own record",
    ]
    assert "--> sql/001 a,b.sql:3:9\n" in second, "columns count characters"
    assert " 3 | /* ü */ create index on t (\n   |         ^^^^^^^^^^^^^^^^^^^\n" in second
    assert second.endswith("fix: create index concurrently t_a_idx on t (\n       a);\n")


def test_json_has_what_scripts_rely_on(told: Callable[[str], str]) -> None:
    document = json.loads(told("json"))
    first, second = document["findings"]
    assert first == {
        "rule": "transaction/control",
        "severity": "error",
        "message": "`COMMIT` is in a file that zmig runs in one transaction of its own",
        "file": "sql/001 a,b.sql",
        "line": 2,
        "column": 1,
        "end_line": 2,
        "end_column": 7,
        "hint": "remove the statement: zmig begins the transaction, and commits it together with its own record",
        "migration": "001 a,b",
        "fix": [],
    }
    assert second["fix"] == ["create index concurrently t_a_idx on t (\n  a);"]
    assert (second["line"], second["column"], second["end_line"], second["end_column"]) == (3, 9, 4, 6)
    assert (document["migrations"], document["not_checked"]) == (1, [])


def test_github_annotates_lines(told: Callable[[str], str]) -> None:
    first, second = told("github").splitlines()
    assert first.startswith(
        "::error file=sql/001 a%2Cb.sql,line=2,endLine=2,title=transaction/control,col=1,endColumn=7::`COMMIT` is"
    )
    assert "%0Ahint: remove the statement" in first
    assert second.startswith("::error file=sql/001 a%2Cb.sql,line=3,endLine=4,title=squawk/"), "no columns over lines"


def test_gitlab_fingerprints_outlive_lines_above(told: Callable[[str], str], shop: Path) -> None:
    before = json.loads(told("gitlab"))
    path = shop / "sql" / "001 a,b.sql"
    path.write_text(SQL.replace("commit;", "\n\ncommit;"))
    after = json.loads(told("gitlab"))
    assert [issue["fingerprint"] for issue in before] == [issue["fingerprint"] for issue in after]
    assert len({issue["fingerprint"] for issue in before}) == 2
    assert [issue["severity"] for issue in before] == ["blocker", "critical"]
    assert after[0]["location"]["positions"]["begin"] == {"line": 4, "column": 1}


def test_gitlab_tells_equal_findings_apart(told: Callable[[str], str], shop: Path) -> None:
    (shop / "sql" / "001 a,b.sql").write_text("-- why\ncommit;\ncommit;\n")
    assert len({issue["fingerprint"] for issue in json.loads(told("gitlab"))}) == 2


def test_junit_is_a_failed_case_a_finding(told: Callable[[str], str]) -> None:
    root = ElementTree.fromstring(told("junit"))
    (suite,) = root.findall("testsuite")
    assert (root.get("failures"), suite.get("name"), suite.get("tests")) == ("2", "sql/001 a,b.sql", "2")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "transaction/control"
    assert "sql/001 a,b.sql:2:1: error: `COMMIT` is" in (failure.text or "")


def test_a_note_is_no_failure_in_junit(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "sql" / "001 a,b.sql").write_text("-- why\ndrop index i;\n")
    assert main(["lint", "manifest.yaml", "--format", "junit"]) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert (root.get("tests"), root.get("failures")) == ("1", "0")
    case = root.find("testsuite/testcase/system-out")
    assert case is not None
    assert "2:1: note: " in (case.text or "")


def test_junit_has_a_case_that_passed_where_nothing_is_found(
    shop: Path, told: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "sql" / "001 a,b.sql").write_text("-- why\nselect 1;\n")
    assert main(["lint", "manifest.yaml", "--format", "junit"]) == 0
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert (root.get("tests"), root.get("failures")) == ("1", "0")


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
def test_files_are_named_from_the_root_of_the_repository(
    form: str, shop: Path, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop / "sql")
    main(["lint", "../manifest.yaml", "--format", form])
    out = capsys.readouterr().out
    assert re.search(r"""["'= ]sql/001( |%20)a(,|%2C)b\.sql""", out)


def test_a_line_that_begins_within_a_quoted_name_stays_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "001_a.sql").write_text('-- why\ncreate index i on "two\nlines" (a);\n')
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    main(["lint", "manifest.yaml"])
    assert 'fix: create index concurrently i on "two\nlines" (a);\n' in capsys.readouterr().out
