"""The examples of the rules that need a server, as their pages say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import rulepages
from tests.support.trials import trying_on
from zmig.lint.registry import RULES
from zmig.lint.rule import Needs
from zmig.lint.run import lint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.lint.run import Report

PAGES = {page.code: page for page in rulepages.pages() if RULES[page.code].needs is Needs.SERVER}


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings name files relative to the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("code", PAGES)
def test_the_bad_example_is_reported(code: str, tmp_path: Path, server: str) -> None:
    rulepages.assert_reported(code, reported(code, PAGES[code].bad, tmp_path, server).findings)


@pytest.mark.parametrize("code", PAGES)
def test_the_good_example_is_not(code: str, tmp_path: Path, server: str) -> None:
    found = reported(code, PAGES[code].good, tmp_path, server)
    assert [(finding.rule, finding.message) for finding in found.findings] == []


def reported(code: str, files: Mapping[str, bytes], folder: Path, server: str) -> Report:
    """Lint an example with the server, its rule turned on."""
    return lint([rulepages.write_with_rule(code, files, folder)], environ={}, trial=trying_on(server))
