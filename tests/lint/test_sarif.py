"""SARIF, against the schema that its standard publishes."""

from __future__ import annotations

import json
from dataclasses import replace
from email.message import Message
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tests.support import rulepages, sarif
from zmig.lint import pages
from zmig.lint.finding import Finding, Severity
from zmig.lint.registry import RULES
from zmig.lint.report import sarif as report
from zmig.lint.run import Report, lint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Log = dict[str, Any]
    Valid = Callable[[Report], Log]


@pytest.fixture(scope="session")
def valid() -> Valid:
    """Render a report, hold it against the schema, and return its one run."""
    validator: Any = Draft7Validator(sarif.schema(), format_checker=Draft7Validator.FORMAT_CHECKER)

    def check(told: Report) -> Log:
        log = json.loads(report.render(told))
        assert [error.message for error in validator.iter_errors(log)] == []
        (run,) = log["runs"]
        return run

    return check


def finding(
    file: str, *, rule: str = "sql/syntax", severity: Severity = Severity.ERROR, hint: str | None = None
) -> Finding:
    return Finding(
        file,
        2,
        3,
        rule=rule,
        message='it says "no": 100 % ü😀\ttab',
        severity=severity,
        end_line=4,
        end_column=1,
        hint=hint,
        facts=("a fact",),
        migration="001_a",
        text="text",
    )


def test_the_schema_refuses_what_is_wrong(valid: Valid) -> None:
    below_one = replace(finding("a.sql"), line=0, column=0, end_line=0, end_column=0)
    with pytest.raises(AssertionError, match="minimum"):
        valid(Report((below_one,), 1))


def test_nothing_found_is_a_run_without_results(valid: Valid) -> None:
    run = valid(Report((), 12))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("hint", ["do this", None])
def test_a_finding_of_every_rule_is_a_result(valid: Valid, severity: Severity, hint: str | None) -> None:
    found = tuple(
        finding("sql/001_a.sql", rule=rule, severity=severity, hint=hint) for rule in (*RULES, "manifest/new")
    )
    run = valid(Report(found, 1, missing=("`sql/syntax` was not checked",), remedy='pip install "zmig[lint]"'))
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    assert {result["level"] for result in run["results"]} == {severity.value}


def test_a_rule_has_its_page(valid: Valid, monkeypatch: pytest.MonkeyPatch) -> None:
    (rule,) = valid(Report((finding("a.sql"),), 1))["tool"]["driver"]["rules"]
    assert rule["help"]["markdown"].startswith("# sql/syntax\n")
    assert "helpUri" not in rule, "where the documentation is on the web is not known"

    def url(code: str) -> str:
        return f"https://example.org/{code}.md"

    monkeypatch.setattr(pages, "url", url)
    (rule,) = valid(Report((finding("a.sql"),), 1))["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://example.org/sql/syntax.md"


@pytest.mark.parametrize(
    ("documentation", "url"),
    [
        ("https://example.org/docs", "https://example.org/docs/rules/sql/syntax.md"),
        ("https://github.com/OWNER/zmig/tree/main/docs", None),
    ],
)
def test_the_package_says_where_its_documentation_is(
    monkeypatch: pytest.MonkeyPatch, documentation: str, url: str | None
) -> None:
    told: Message[str, str] = Message()
    told["Project-URL"] = "Issues, https://example.org/issues"
    told["Project-URL"] = f"Documentation, {documentation}"

    def metadata(_name: str) -> Message[str, str]:
        return told

    monkeypatch.setattr(pages, "metadata", metadata)
    assert pages.url("sql/syntax") == url


def test_a_fix_that_can_stand_as_it_is_replaces_the_statement(valid: Valid, folder: Path) -> None:
    (folder / "001_a.sql").write_text("-- why\ncreate index i on t (a);\n")
    (folder / "manifest.yaml").write_text("manifest: 1\nmigrations: [{version: 1, file: 001_a.sql}]\n")
    results = valid(lint([folder / "manifest.yaml"], environ={}))["results"]
    (fix,) = (fix for result in results for fix in result.get("fixes", ()))
    (change,) = fix["artifactChanges"]
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 2, "startColumn": 1, "endLine": 2, "endColumn": 24},
            "insertedContent": {"text": "create index concurrently i on t (a)"},
        }
    ]


@pytest.mark.parametrize(
    ("file", "artifact"),
    [
        ("sql/001_a.sql", {"uri": "sql/001_a.sql", "uriBaseId": "SRCROOT"}),
        ("sql/001 a,b.sql", {"uri": "sql/001%20a%2Cb.sql", "uriBaseId": "SRCROOT"}),
        ("db möre/1:ö#?%.sql", {"uri": "db%20m%C3%B6re/1%3A%C3%B6%23%3F%25.sql", "uriBaseId": "SRCROOT"}),
        ("../shared/base.yaml", {"uri": "../shared/base.yaml"}),
        ("/srv/ä b.yaml", {"uri": "file:///srv/%C3%A4%20b.yaml"}),
    ],
)
def test_files_are_named_as_uris(valid: Valid, file: str, artifact: dict[str, str]) -> None:
    run = valid(Report((finding(file),), 1))
    assert run["results"][0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": artifact,
        "region": {"startLine": 2, "startColumn": 3, "endLine": 4, "endColumn": 1},
    }


@pytest.mark.parametrize("page", [*rulepages.pages()], ids=lambda page: page.code)
def test_every_example_of_the_rules_makes_a_valid_log(valid: Valid, page: rulepages.Page, folder: Path) -> None:
    for name, files in (("bad ü", page.bad), ("good", page.good)):
        told = lint([rulepages.write(files, folder / name)], environ={})
        assert len(valid(told)["results"]) == len(told.findings)
