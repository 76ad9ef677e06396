"""`zmig lint --explain RULE` and `zmig lint --rules`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import rulepages
from zmig.cli.main import main
from zmig.lint import pages
from zmig.lint.registry import RULES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_page_of_a_rule_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--explain", "squawk/renaming-column"]) == 0
    page = (rulepages.FOLDER / "squawk" / "renaming-column.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page
    assert main(["lint", "--explain", "renaming-column"]) == 0
    assert capsys.readouterr().out == page


@pytest.mark.parametrize("code", RULES)
def test_every_rule_has_a_page_that_can_be_printed(code: str) -> None:
    assert pages.explain(code).startswith(f"# {code}\n")


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("squawk/renaming-colum", "there is no rule `squawk/renaming-colum`", "--explain squawk/renaming-column`"),
        ("../../README", "there is no rule `../../README`", "run `zmig lint --rules`"),
        ("squawk/require-lock-timeout", "zmig sets `lock_timeout` for every migration", "run `zmig lint --rules`"),
    ],
)
def test_what_is_no_rule_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, message: str, hint: str
) -> None:
    assert main(["lint", "--explain", code]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert hint in said


def test_the_rules_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "--rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(RULES)
    (line,) = [line.split() for line in lines if line.startswith("squawk/renaming-column ")]
    assert line[:4] == ["squawk/renaming-column", "compat", "warning", "squawk"]


def test_the_list_has_what_the_manifest_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "m.yaml").write_text("manifest: 1\nmigrations: []\nlint: {severity: {group/compat: note}}\n")
    assert main(["lint", "m.yaml", "--rules", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (rule,) = [one for one in document["rules"] if one["rule"] == "squawk/renaming-column"]
    assert (document["manifest"], rule["severity"], rule["default"]) == ("m.yaml", "note", "warning")
    assert set(rule) == {"rule", "group", "severity", "default", "needs", "summary", "why"}


def test_a_manifest_that_is_not_there_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "gone.yaml", "--rules"]) == 2
    assert "gone.yaml" in capsys.readouterr().err
