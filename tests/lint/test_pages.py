"""Every rule has a page, and every example of every page is reported, or not, as the page says."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from docs import generate_rule_index as index
from tests.support import rulepages
from zmig.lint.registry import RULES
from zmig.lint.rule import Needs
from zmig.lint.run import lint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from zmig.lint.run import Report

PAGES = {page.code: page for page in rulepages.pages()}
_WITH_PAGE = tuple(code for code, rule in RULES.items() if rule.page == f"docs/rules/{code}.md")
_WITHOUT_SERVER = tuple(code for code in _WITH_PAGE if RULES[code].needs is not Needs.SERVER)
"""The others are tried in `tests/postgres/test_try_pages.py`."""


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert PAGES.keys() == set(_WITH_PAGE)
    assert {rule.page for rule in RULES.values()} >= {"docs/verify.md"}
    told = (rulepages.FOLDER.parent / "verify.md").read_text(encoding="utf-8")
    assert [code for code in RULES if code not in _WITH_PAGE and f"`{code}`" not in told] == []


def test_the_index_is_what_the_rules_say() -> None:
    told = index.PAGE.read_text(encoding="utf-8")
    assert told == index.page(), "`python docs/generate_rule_index.py` writes it anew"


@pytest.mark.parametrize("code", _WITH_PAGE)
def test_a_page_says_what_its_rule_is(code: str) -> None:
    title, summary, severity, why, *_ = PAGES[code].head.split("\n\n")
    rule = RULES[code]
    assert title == f"# {code}"
    assert summary.lower() == f"{rule.summary}.".lower()
    default = {"try/lock": "note; warning"}.get(code, "off" if rule.severity is None else rule.severity.value)
    assert severity.startswith(f"Severity: {default}")
    assert ("zmig[lint]" in severity) == (rule.needs in (Needs.GRAMMAR, Needs.SQUAWK))
    assert ("--base" in severity) == (rule.needs is Needs.BASE)
    assert ("--try" in severity) == (rule.needs is Needs.SERVER)
    assert len(why) > 40


@pytest.mark.parametrize("code", _WITHOUT_SERVER)
def test_the_bad_example_is_reported(code: str, folder: Path, git: Callable[..., str]) -> None:
    rulepages.assert_reported(code, reported(code, PAGES[code].bad, folder, git).findings)


@pytest.mark.parametrize("code", _WITHOUT_SERVER)
def test_the_good_example_is_not(code: str, folder: Path, git: Callable[..., str]) -> None:
    found = reported(code, PAGES[code].good, folder, git)
    assert [(finding.rule, finding.message) for finding in found.findings] == []


def reported(code: str, files: Mapping[str, bytes], folder: Path, git: Callable[..., str]) -> Report:
    """Lint an example, its rule turned on, as its page means it."""
    page = PAGES[code]
    base = None
    if page.base:
        base = "main"
        make_base(page, folder, git)
    return lint([rulepages.write_with_rule(code, files, folder)], environ={}, base=base)


def make_base(page: rulepages.Page, folder: Path, git: Callable[..., str]) -> None:
    """Commit the base; where it came to be so meanwhile, the branch leaves it before."""
    if page.is_meanwhile:
        git("commit", "-q", "--allow-empty", "-m", "begin")
        git("branch", "work")
    rulepages.write(page.base, folder)
    git("add", ".")
    git("commit", "-q", "-m", "base")
    git("checkout", "-q", *(["work"] if page.is_meanwhile else ["-b", "work"]))
    for path in folder.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
