"""What other people's CI runs: the pre-commit hook and the steps of the GitHub action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from zmig.cli import parser
from zmig.cli.lint import COMMAND, LintOptions
from zmig.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


def described(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_hook_is_a_command_line_that_zmig_takes() -> None:
    (hook,) = described(".pre-commit-hooks.yaml")
    program, command, *words = hook["entry"].split()
    assert (program, command) == ("zmig", "lint")
    assert isinstance(parser.parse(command, COMMAND, [*words, "manifests/prod.yaml"]), LintOptions)
    assert hook["pass_filenames"] is False
    assert hook["verbose"] is True, "pre-commit hides what a hook prints that passes"


@pytest.mark.parametrize(
    ("path", "concerned"),
    [
        ("manifests/prod.yaml", True),
        ("db/migrations/001_a.sql", True),
        ("migrations/003_seed.py", True),
        ("services/shop/manifest.yaml", True),
        ("src/manifest.py", False),
        ("README.md", False),
    ],
)
def test_the_hook_runs_for_what_concerns_migrations(path: str, concerned: bool) -> None:
    (hook,) = described(".pre-commit-hooks.yaml")
    assert (re.search(hook["files"], path) is not None) == concerned


@pytest.fixture
def step(folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one of the action's steps in the folder, with a `zmig` on the PATH that is this checkout's."""
    bin_folder = folder / ".git" / "bin"
    bin_folder.mkdir(parents=True)
    program = bin_folder / "zmig"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m zmig "$@"\n')
    program.chmod(0o755)
    steps = {one["name"]: one for one in described("action.yml")["runs"]["steps"] if "name" in one}

    def run(name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        values = {key: one["default"] for key, one in described("action.yml")["inputs"].items()} | inputs
        given = {key: values[text[len("${{ inputs.") : -len(" }}")]] for key, text in steps[name]["env"].items()}
        path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
        environ = {**os.environ, **given, "PATH": path, "PYTHONPATH": str(ROOT)}
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", steps[name]["run"]]
        return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def commit(folder: Path, git: Callable[..., str]) -> Callable[..., None]:
    """Commit a manifest of these versions, with a file each."""

    def run(*versions: int) -> None:
        lines = [f"  - {{version: {version}, file: {version:03}_m.sql}}" for version in versions]
        (folder / "manifest.yaml").write_text("\n".join(("manifest: 1", "migrations:", *lines, "")))
        for version in versions:
            (folder / f"{version:03}_m.sql").write_text(f"-- why\nselect {version};\n")
        git("add", ".")
        git("commit", "-q", "-m", "state")

    return run


def test_the_action_annotates_what_is_new(
    folder: Path, step: Callable[..., subprocess.CompletedProcess[str]], git: Callable[..., str]
) -> None:
    (folder / "manifests").mkdir()
    (folder / "migrations").mkdir()
    manifest = folder / "manifests" / "prod.yaml"
    manifest.write_text("manifest: 1\nmigrations:\n  - {version: 1, file: ../migrations/001_a.sql}\n")
    (folder / "migrations" / "001_a.sql").write_text("-- why\ncreate index a_x on a (x);\n")
    git("add", ".")
    git("commit", "-q", "-m", "base")
    git("remote", "add", "origin", str(folder))
    git("checkout", "-q", "-b", "work")
    manifest.write_text(manifest.read_text() + "  - {version: 2, file: ../migrations/002_b.sql}\n")
    (folder / "migrations" / "002_b.sql").write_text("-- why\ncommit;\n")
    git("add", ".")
    git("commit", "-q", "-m", "work")

    assert step("Fetch the base", base="main").returncode == 0
    ended = step("Check", base="main")
    assert (ended.returncode, len(ended.stdout.splitlines())) == (1, 1)
    assert ended.stdout.startswith("::error file=migrations/002_b.sql,line=2")
    ended = step("Check", base="none", manifests="manifests/prod.yaml", **{"fail-on": "never"})
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 3)


def test_the_action_leaves_a_full_clone_its_history(
    folder: Path,
    step: Callable[..., subprocess.CompletedProcess[str]],
    git: Callable[..., str],
    commit: Callable[..., None],
) -> None:
    commit(1)
    git("branch", "work")
    commit(1, 2)
    git("remote", "add", "origin", folder.as_uri())
    git("checkout", "-q", "work")
    commit(1, 3)

    assert step("Fetch the base", base="main").returncode == 0
    ended = step("Check", base="main", manifests="manifest.yaml")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "nothing found in 2 migrations\n")


def test_the_action_knows_the_merge_that_a_shallow_clone_consists_of(
    folder: Path, git: Callable[..., str], commit: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit(1)
    git("checkout", "-q", "-b", "work")
    commit(1, 3)
    git("checkout", "-q", "main")
    git("commit", "-q", "--allow-empty", "-m", "meanwhile")
    git("checkout", "-q", "-b", "merged")
    git("merge", "-q", "--no-ff", "-m", "merge", "work")
    shallow = tmp_path_factory.mktemp("shallow") / "clone"
    git("clone", "-q", "--depth=1", "--branch", "merged", folder.as_uri(), str(shallow))
    git("-C", str(shallow), "fetch", "-q", "--depth=1", "origin", "main")
    command = [sys.executable, "-m", "zmig", "lint", "manifest.yaml", "--base", "FETCH_HEAD"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=shallow, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "nothing found in 2 migrations\n")


def test_the_first_push_is_compared_with_nothing(
    folder: Path, step: Callable[..., subprocess.CompletedProcess[str]], commit: Callable[..., None]
) -> None:
    commit(1)
    assert step("Fetch the base", base="0" * 40).returncode == 0
    ended = step("Check", base="0" * 40, manifests="manifest.yaml")
    assert (ended.returncode, ended.stderr) == (0, "nothing found in 1 migration\n")


@pytest.mark.parametrize(
    ("environ", "versions"),
    [
        ({}, [3, 4]),
        ({"PRE_COMMIT_FROM_REF": "work~1"}, [4]),
        ({"PRE_COMMIT_FROM_REF": "work~1", "PRE_COMMIT_REMOTE_NAME": "origin"}, [3, 4]),
        ({"GITHUB_BASE_REF": "old"}, [2, 3, 4]),
        ({"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "gone"}, [3, 4]),
    ],
)
def test_the_hook_compares_with_what_work_goes_to(
    folder: Path,
    git: Callable[..., str],
    commit: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
    environ: dict[str, str],
    versions: list[int],
) -> None:
    commit(1)
    git("branch", "old")
    clone = tmp_path_factory.mktemp("clone") / "clone"
    for known in ([1, 2], [1, 2, 3], [1, 2, 3, 4]):
        commit(*known)
        for version in known[1:]:
            (folder / f"{version:03}_m.sql").write_text(f"-- why\ncommit; -- {version}\n")
        git("commit", "-q", "-a", "--amend", "-m", "state")
        if len(known) == 2:
            git("clone", "-q", folder.as_uri(), str(clone))
            git("checkout", "-q", "-b", "work")
    git("checkout", "-q", "main")
    git("-C", str(clone), "fetch", "-q", "origin", "work:work")
    git("-C", str(clone), "checkout", "-q", "work")
    command = [sys.executable, "-m", "zmig", "lint", "manifest.yaml", "--base", "auto", "--json"]
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PRE_COMMIT", "GITHUB", "CI_"))}
    ended = subprocess.run(
        command,
        cwd=clone,
        env={**given, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(ended.stdout)["findings"]
    assert [int(one["file"][:3]) for one in found if one["rule"] == "transaction/control"] == versions


def test_without_a_branch_to_compare_with_everything_is_checked(
    folder: Path, git: Callable[..., str], commit: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    commit(1)
    assert main(["lint", "manifest.yaml", "--base", "auto"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "note: no branch to compare with is known here, so everything is checked",
        "nothing found in 1 migration",
    ]


def test_a_base_that_a_shallow_clone_lacks_is_named_with_the_way_to_it(
    folder: Path,
    git: Callable[..., str],
    commit: Callable[..., None],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commit(1)
    git("checkout", "-q", "-b", "work")
    commit(1, 2)
    git("checkout", "-q", "main")
    clone = tmp_path_factory.mktemp("clone") / "clone"
    git("clone", "-q", "--depth=1", "--single-branch", "--branch", "work", folder.as_uri(), str(clone))
    monkeypatch.chdir(clone)
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    command = ["lint", "manifest.yaml", "--base", "auto"]
    assert main(command) == 0
    note, hint, _ = capsys.readouterr().err.splitlines()
    assert note == "note: `main`, into which this is to be merged, is not in this clone, so everything is checked"
    assert hint.startswith("hint: run `git fetch ")
    git("-C", str(clone), *hint.split("`")[1].split()[1:])
    assert main(command) == 0
    assert "so everything is checked" not in capsys.readouterr().err
