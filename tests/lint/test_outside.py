"""What a link leads to, out of the project, is told by no finding and no error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.cli.main import main
from zmig.project import outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zmig.lint.run import Report

_KEY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file elsewhere on the machine, with what must not be told."""
    path = tmp_path_factory.mktemp("elsewhere") / "key"
    path.write_text(f"-----BEGIN KEY-----\n{_KEY}\nend\n")
    return path


def _declare(folder: Path, *files: str) -> None:
    entries = "".join(f"  - {{version: {n}, file: {file}}}\n" for n, file in enumerate(files, start=1))
    (folder / "manifest.yaml").write_text(f"manifest: 1\nmigrations:\n{entries}")


@pytest.mark.parametrize("suffix", ["sql", "py"])
@pytest.mark.parametrize("has_git", [True, False])
@pytest.mark.parametrize("of_folder", [True, False])
def test_no_finding_shows_or_quotes_a_line_of_a_file_that_a_link_leads_to(
    folder: Path,
    request: pytest.FixtureRequest,
    checked: Callable[..., Report],
    secret: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    *,
    has_git: bool,
    of_folder: bool,
) -> None:
    if has_git:
        request.getfixturevalue("git")
    elsewhere = secret.rename(secret.with_suffix(f".{suffix}"))
    if of_folder:
        (folder / "m").symlink_to(elsewhere.parent)
        _declare(folder, f"m/{elsewhere.name}")
    else:
        (folder / f"001_m.{suffix}").symlink_to(elsewhere)
        _declare(folder, f"001_m.{suffix}")
    report = checked()
    assert report.findings
    told = [text for one in report.findings for text in (one.message, one.text or "", *one.facts)]
    assert not [text for text in told if _KEY in text or "BEGIN" in text]
    capsys.readouterr()
    main(["plan", "manifest.yaml", "--database-url", "postgresql://127.0.0.1:1/x"])
    captured = capsys.readouterr()
    assert not [text for text in captured if _KEY in text or "BEGIN" in text]


def test_a_link_within_the_project_and_a_mounted_folder_of_links_show_their_lines(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "001_a.sql").write_text("wrong")
    (folder / "link.sql").symlink_to("real/001_a.sql")
    (folder / "..data").symlink_to("real")
    (folder / "mounted.sql").symlink_to("..data/001_a.sql")
    names = ("link.sql", "mounted.sql", "real/001_a.sql", "missing.sql")
    assert [name for name in names if outside.is_outside(name)] == []


def test_what_git_keeps_for_itself_is_outside(folder: Path, git: Callable[..., str]) -> None:
    git("status")
    (folder / "001_a.sql").symlink_to(".git/config")
    assert outside.is_outside("001_a.sql")


@pytest.mark.skipif("sys.platform != 'linux'", reason="is about a file of Linux")
def test_a_file_that_says_that_it_is_empty_and_is_not_is_refused(folder: Path, checked: Callable[..., Report]) -> None:
    (folder / "001_a.sql").symlink_to("/proc/self/environ")
    _declare(folder, "001_a.sql")
    (finding,) = checked().findings
    assert finding.rule == "file/unreadable"
    assert "is no ordinary file" in finding.message
