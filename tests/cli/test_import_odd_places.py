"""`zmig import --write` and `zmig init` where a disk, a folder, a process or another import is in the way."""

from __future__ import annotations

import fcntl
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Run
    from tests.support.process import Ended

_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.{action})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
from zmig.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A command in whose process no file may have more than a thousand octets."""
_KILLED = """
import os, signal, sys
links = []
def heed(event, arguments):
    if event == "os.link":
        links.append(arguments)
        if len(links) == {number}:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(heed)
from zmig.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A command that is killed before one of its files is there."""
_WITHOUT_RIGHTS = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: without them root has the rights of others, too
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, "-m", "zmig", *sys.argv[1:]])
"""
"""A command for which the bits of files and folders count, whoever calls it."""
_WORDS = ("import", "--manifest", "manifests/shop.yaml", "--write")


@pytest.fixture
def shop(empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of dbmate, the second file of which is longer than the limit."""
    folder = empty / "shop"
    (folder / "db" / "migrations").mkdir(parents=True)
    for number, length in ((1, 10), (2, 3000), (3, 10)):
        text = f"-- migrate:up\nselect '{'x' * length}';\n-- migrate:down\nselect {number};\n"
        (folder / "db" / "migrations" / f"{number}_a.sql").write_text(text)
    monkeypatch.chdir(folder)
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_full_disk_is_said_of_the_file_that_did_not_fit(shop: Path) -> None:
    before = _files(shop)
    with Process(*_WORDS, cwd=shop, program=("-c", _LIMITED.format(action="SIG_IGN"))) as process:
        ended = process.wait()
    assert ended.code == 2
    assert ended.stderr.startswith("error: `migrations/2_a.sql` cannot be written: file too large\n")
    assert _files(shop) == before
    assert not (shop / "migrations").exists()


def test_a_process_that_dies_in_the_middle_of_a_file_leaves_none_that_is_half_there(shop: Path, run: Run) -> None:
    with Process(*_WORDS, cwd=shop, program=("-c", _LIMITED.format(action="SIG_DFL"))) as process:
        assert process.wait().code == -signal.SIGXFSZ
    assert not (shop / "migrations" / "2_a.sql").exists()
    ended = run(*_WORDS)
    assert ended.code == 0, ended.stderr
    assert run("lint", "manifests/shop.yaml", "--fail-on", "never").code == 0


@pytest.mark.parametrize("number", [1, 2, 5, 7, 8])
def test_an_import_that_is_killed_between_two_files_is_done_by_the_same_command(
    shop: Path, run: Run, number: int
) -> None:
    with Process(*_WORDS, cwd=shop, program=("-c", _KILLED.format(number=number))) as process:
        assert process.wait().code == -signal.SIGKILL
    assert not (shop / "manifests" / "shop.yaml").exists(), "the manifest comes last"
    ended = run(*_WORDS)
    assert ended.code == 0, ended.stderr
    assert ended.stderr.startswith("wrote 3 entries")
    assert {path.name for path in (shop / "migrations").glob("[0-9]*")} == {
        *(f"{number}_a.sql" for number in (1, 2, 3)),
        *(f"{number}_a.rollback.sql" for number in (1, 2, 3)),
    }
    assert (shop / "manifests" / "manifest.schema.json").read_bytes().endswith(b"}\n")


def test_one_import_at_a_time_writes(shop: Path, run: Run) -> None:
    folder = os.open(".", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    ended = run(*_WORDS)
    assert (ended.code, ended.stderr.splitlines()[0]) == (2, "error: another import is writing in this folder")
    assert run(*_WORDS[:-1]).code == 0, "who only looks is not kept from it"
    os.close(folder)
    assert run(*_WORDS).code == 0


def test_two_imports_at_once_leave_one_that_is_whole(shop: Path, run: Run) -> None:
    with Process(*_WORDS, cwd=shop) as one, Process(*_WORDS, cwd=shop) as other:
        ended = [one.wait(), other.wait()]
    assert sorted(each.code for each in ended) in ([0, 0], [0, 2])
    assert run("import", "--manifest", "manifests/shop.yaml").code == 0
    assert run(*_WORDS).stderr.startswith("nothing is new")


@pytest.mark.parametrize("which", ["migrations", "manifests"])
def test_a_file_where_a_folder_has_to_be_is_named(shop: Path, run: Run, which: str) -> None:
    (shop / which).write_text("a file\n")
    before = _files(shop)
    ended = run(*_WORDS)
    assert ended.code == 2
    assert f"`{which}` cannot be written: not a directory" in ended.stderr
    assert f"run `ls -ld {which}`" in ended.stderr
    assert _files(shop) == before


@pytest.mark.parametrize("name", ["two words", "it's", 'say "so"', "größe", "$HOME", "a;b"])
def test_a_project_may_be_called_anything(empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    folder = empty / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    ended = run("init")
    assert ended.code == 0, ended.stderr
    (manifest,) = (folder / "manifests").glob("*.yaml")
    assert run("lint", f"manifests/{manifest.name}").code == 0
    (line,) = [one for one in ended.stderr.splitlines() if one.startswith("next: ")]
    assert manifest.name in line


def test_a_worktree_of_git_is_a_project_of_its_own(empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty / "schemas").mkdir()
    (empty / "schemas" / "manifest.schema.json").write_text("{}")
    tree = empty / "tree"
    tree.mkdir()
    (tree / ".git").write_text("gitdir: ../.git/worktrees/tree\n")
    monkeypatch.chdir(tree)
    assert run("init", "shop").code == 0
    assert (tree / "manifests" / "manifest.schema.json").exists(), "the schema of a project around it is not taken"


def test_a_link_that_leads_nowhere_is_not_written_through(shop: Path, run: Run) -> None:
    (shop / "manifests").mkdir()
    (shop / "manifests" / "shop.yaml").symlink_to("gone.yaml")
    ended = run(*_WORDS)
    assert ended.code == 2
    assert "`manifests/shop.yaml` exists already" in ended.stderr
    assert not (shop / "migrations").exists()


def _restricted(folder: Path, *words: str) -> Ended:
    with Process(*words, cwd=folder, program=("-c", _WITHOUT_RIGHTS)) as process:
        return process.wait()


@pytest.fixture
def closed() -> Iterator[Callable[[Path, int], None]]:
    """Take rights away from a folder, until the test ends."""
    changed: list[Path] = []

    def close(folder: Path, mode: int) -> None:
        changed.append(folder)
        folder.chmod(mode)

    yield close
    for folder in changed:
        folder.chmod(0o755)


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444, 0o555])
@pytest.mark.parametrize("words", [("import", "--write"), ("init", "shop"), ("status",), ("init", "--ci", "github")])
def test_a_folder_of_manifests_that_may_not_be_used_is_named(
    shop: Path, closed: Callable[[Path, int], None], words: tuple[str, ...], mode: int
) -> None:
    (shop / "manifests").mkdir()
    closed(shop / "manifests", mode)
    ended = _restricted(shop, *words)
    assert ended.code == 2
    assert "internal error" not in ended.stderr
    assert "manifests" in ended.stderr
    if words[0] != "status":
        assert "permission denied" in ended.stderr
        assert "`ls -ld manifests`" in ended.stderr
    assert not (shop / "migrations").exists()


def test_a_folder_that_may_not_be_written_to_is_named(shop: Path, closed: Callable[[Path, int], None]) -> None:
    closed(shop, 0o555)
    ended = _restricted(shop, *_WORDS)
    assert (ended.code, ended.stderr) == (
        2,
        "error: `migrations` cannot be written: permission denied\nhint: run `ls -ld .`\n",
    )
    assert _restricted(shop, *_WORDS[:-1]).code == 0, "to look is no harm"


def test_a_folder_of_migrations_that_may_not_be_read_is_not_passed_over(
    empty: Path, closed: Callable[[Path, int], None]
) -> None:
    inner = empty / "db" / "migration" / "later"
    inner.mkdir(parents=True)
    (empty / "db" / "migration" / "V1__a.sql").write_text("select 1;\n")
    (inner / "V2__b.sql").write_text("select 2;\n")
    closed(inner, 0o000)
    ended = _restricted(empty, "import", "--write")
    assert ended.code == 2
    assert "a folder that cannot be looked into: permission denied" in ended.stderr
    assert not (empty / "manifests").exists()
    closed(empty / "db", 0o000)
    ended = _restricted(empty, "import")
    assert "= `db` is a folder that cannot be looked into: permission denied" in ended.stderr


def test_another_folder_that_may_not_be_read_is_left_out_and_said(
    shop: Path, closed: Callable[[Path, int], None]
) -> None:
    (shop / "pgdata").mkdir()
    closed(shop / "pgdata", 0o000)
    ended = _restricted(shop, *_WORDS[:-1])
    assert ended.code == 0
    assert "a folder that cannot be looked into: permission denied\n    pgdata:1:1" in ended.stdout
    assert _restricted(shop, *_WORDS).code == 0


def _to_nothing(path: Path) -> None:
    path.symlink_to("gone.sql")


def _to_the_outside(path: Path) -> None:
    outside = path.parents[3] / "shared.sql"
    outside.write_text("-- migrate:up\nselect 4;\n-- migrate:down\n")
    path.symlink_to(outside)


def _to_a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_to_nothing, _to_the_outside, _to_a_pipe])
def test_a_migration_that_is_no_file_of_the_project_is_not_passed_over(
    shop: Path, run: Run, make: Callable[[Path], None]
) -> None:
    assert run(*_WORDS[:-1]).code == 0
    make(shop / "db" / "migrations" / "4_a.sql")
    ended = run(*_WORDS)
    assert (ended.code, ended.stderr.partition(" ")[0]) == (2, "error:")
    assert "db/migrations/4_a.sql:1:1" in ended.stderr
    assert not (shop / "manifests").exists()


def test_a_link_elsewhere_is_left_out_and_said(shop: Path, run: Run) -> None:
    (shop / "result").symlink_to("/usr")
    (shop / "node_modules").symlink_to("/usr")
    ended = run(*_WORDS[:-1])
    assert ended.code == 0
    assert "a link that leads out of the folder, and is not followed\n    result:1:1\n" in ended.stdout
    assert "node_modules" not in ended.stdout


def test_a_folder_may_be_a_link_or_hold_itself(shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "db" / "migrations" / "again").symlink_to("..")
    link = shop.parent / "link"
    link.symlink_to("shop")
    monkeypatch.chdir(shop.parent)
    ended = run("import", "link", "--write")
    assert ended.code == 0, ended.stderr
    assert ended.stderr.startswith("wrote 3 entries")


def test_a_folder_that_is_a_file_is_named(shop: Path, run: Run) -> None:
    ended = run("import", "db/migrations/1_a.sql")
    assert ended.code == 2
    assert ended.stderr.startswith("error: `db/migrations/1_a.sql` is no folder\n")


@pytest.mark.parametrize("words", [("init",), ("init", "shop"), ("import",), ("import", "--write")])
def test_a_current_folder_that_is_gone_is_said(
    empty: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    gone = empty / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ended = run(*words)
    assert (ended.code, ended.stderr.splitlines()[0]) == (
        2,
        "error: the current folder cannot be used: no such file or directory",
    )
