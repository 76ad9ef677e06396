"""The files in a folder, of a project that is asked for those of each of its folders."""

from __future__ import annotations

from tests.support.project_files import MemoryFiles
from zmig.other_tools.files import below, children

_PATHS = ("a", "a-b/x", "a.sql", "a/b", "a/b/c", "a/c", "a0", "a0/x", "b/a/x")


def test_files_of_a_folder_are_those_in_it_and_of_none_beside_it() -> None:
    files = MemoryFiles({path: "" for path in _PATHS})
    assert below(files, "a") == ["a/b", "a/b/c", "a/c"]
    assert below(files, "a/") == ["a/b", "a/b/c", "a/c"]
    assert children(files, "a") == ["a/b", "a/c"]
    assert children(files, ".") == ["a", "a.sql", "a0"]
    assert below(files, "none") == []
    assert below(files, ".") == list(_PATHS)
