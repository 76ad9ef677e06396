"""Files that are made at once: all of the content from the moment they are there, or nothing."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zmig.project import written_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CONTENT = b"create table users (id int);\n" * 100


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Limits how large a file may become, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_is_there_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "001_users.sql"
    written_file.create(path, _CONTENT)
    with pytest.raises(FileExistsError):
        written_file.create(path, b"another one")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(path.name, _CONTENT)]


def test_nothing_is_left_of_a_file_for_which_there_is_no_room(tmp_path: Path, limit: Callable[[int], None]) -> None:
    limit(len(_CONTENT) // 2)
    with pytest.raises(OSError, match="File too large"):
        written_file.create(tmp_path / "001_users.sql", _CONTENT)
    assert list(tmp_path.iterdir()) == []


class TestAFileSystemWithoutLinks:
    def test_has_the_whole_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
        path = tmp_path / "001_users.sql"
        written_file.create(path, _CONTENT)
        assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [(path.name, _CONTENT)]

    def test_has_nothing_of_a_file_for_which_there_is_no_room(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: Callable[[int], None]
    ) -> None:
        def fill(path: Path, target: Path) -> None:
            limit(len(_CONTENT) // 2)
            _refuse(path, target)

        monkeypatch.setattr(Path, "hardlink_to", fill)
        with pytest.raises(OSError, match="File too large"):
            written_file.create(tmp_path / "001_users.sql", _CONTENT)
        assert list(tmp_path.iterdir()) == []


def _refuse(_: Path, target: Path) -> None:
    raise OSError(errno.EPERM, "Operation not permitted", str(target))
