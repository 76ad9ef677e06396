"""Manifests in a folder of a test's own, and git around them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from zmig.lint.run import Report, lint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def git(folder: Path) -> Callable[..., str]:
    """Run git in the folder, which becomes a repository without any settings of this machine."""

    def run(*words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, *words]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    run("init", "-q", "-b", "main")
    return run


@pytest.fixture
def checked(folder: Path) -> Callable[..., Report]:
    """Lint `manifest.yaml` in the folder."""

    def run(*, base: str | None = None) -> Report:
        return lint([folder / "manifest.yaml"], environ={}, base=base)

    return run
