"""A project in the working directory, and the command line beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.process import Ended
from tests.support.shop import Shop
from zmig.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., Ended]
"""Runs a command line, given as words."""

VARIABLES = ("ZMIG_MANIFEST", "DATABASE_URL", "PGPASSWORD", "NO_COLOR", "COLUMNS")


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory; the environment names neither manifest nor database."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def shop(empty: Path, database: str) -> Shop:
    """The manifest `shop.yaml` of an empty database, without migrations yet, in the working directory."""
    return Shop(empty, database)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line inside this process."""

    def run_one(*words: str) -> Ended:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run_one
