"""The files of a project on disk, as they are looked through for another tool's migrations."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import plant
from zmig.errors import UsageError
from zmig.importing import folder
from zmig.importing.folder import FolderFiles

if TYPE_CHECKING:
    from pathlib import Path


def test_files_are_sorted_and_what_is_not_the_projects_own_is_left_out(tmp_path: Path) -> None:
    files = ("b.sql", "a/z.sql", "a/b/c.sql", "a.sql", ".env", ".config/x")
    others = (".git/x.sql", "node_modules/a/b.sql", "a/target/x.sql", "env/pyvenv.cfg", "env/lib/x.sql", ".venv/y.sql")
    plant(tmp_path, {name: "" for name in (*files, *others)})
    assert FolderFiles(tmp_path).paths == sorted(files)


def test_a_migration_whose_name_is_no_text_is_not_passed_over(tmp_path: Path) -> None:
    for name in (b"a\xff.txt", b"b\n\xe2\x80\xae.sql"):
        (tmp_path / os.fsdecode(name)).write_text("")
    assert FolderFiles(tmp_path).paths == ["b\n\u202e.sql"]
    (tmp_path / os.fsdecode(b"a\xff.sql")).write_text("")
    with pytest.raises(UsageError, match="is not UTF-8"):
        _ = FolderFiles(tmp_path).paths


def test_the_folder_itself_may_be_called_as_one_that_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, {"build/a.sql": ""})
    assert FolderFiles(tmp_path / "build").paths == ["a.sql"]


def test_links_are_followed_inside_of_the_folder_alone(tmp_path: Path) -> None:
    plant(tmp_path, {"out/secret.sql": "x", "in/sql/a.sql": "select 1;", "in/sub/x": ""})
    inside = tmp_path / "in"
    (inside / "secret.sql").symlink_to(tmp_path / "out" / "secret.sql")
    (inside / "outside").symlink_to(tmp_path / "out")
    (inside / "again.sql").symlink_to("sql/a.sql")
    (inside / "sub" / "linked").symlink_to("../sql")
    (inside / "sub" / "circle").symlink_to("..")
    (inside / "gone.sql").symlink_to("nowhere")
    os.mkfifo(inside / "pipe.sql")
    files = FolderFiles(inside)
    assert files.paths == ["again.sql", "sql/a.sql", "sub/linked/a.sql", "sub/x"]
    assert files.text("sub/linked/a.sql") == "select 1;"


def test_texts_are_without_their_mark_and_with_their_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"\xef\xbb\xbfselect 1;\r\n")
    files = FolderFiles(tmp_path)
    assert files.text("a.sql") == "select 1;\r\n"
    assert files.read("a.sql") == b"\xef\xbb\xbfselect 1;\r\n"


@pytest.mark.parametrize(
    ("content", "code"), [(b"\xff", "file-not-utf8"), (b"a\0", "file-not-text"), (b"PK\x03\x04\xff", "file-not-text")]
)
def test_what_is_no_text_is_said(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "a.sql").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        FolderFiles(tmp_path).text("a.sql")
    assert caught.value.code == code


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, {"a.sql": "select 1;", "b/c.sql": ""})
    files = FolderFiles(tmp_path)
    for path in ("gone.sql", "b"):
        for read in (files.read, files.text):
            with pytest.raises(UsageError) as caught:
                read(path)
            assert caught.value.code in ("file-unreadable", "file-missing")
            assert caught.value.problems[0].hint
    monkeypatch.setattr(folder, "_LARGEST", 5)
    with pytest.raises(UsageError, match=r"a\.sql` cannot be read: it is larger than"):
        files.read("a.sql")


def test_a_folder_that_is_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, {f"{number}.sql": "" for number in range(4)})
    monkeypatch.setattr(folder, "_MOST_FILES", 3)
    with pytest.raises(UsageError) as caught:
        _ = FolderFiles(tmp_path).paths
    assert caught.value.code == "folder-too-large"
