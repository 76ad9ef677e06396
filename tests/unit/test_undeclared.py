"""Files among the migrations that no entry names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.project import undeclared

if TYPE_CHECKING:
    from pathlib import Path


def test_only_files_that_look_like_migrations_are_told(tmp_path: Path) -> None:
    for name in ("001_a.sql", "002_b.sql", "003_c.py", "schema.sql", "002_b.rollback.sql", "1_a.down.sql", "notes.md"):
        (tmp_path / name).write_text("select 1;")
    (tmp_path / "004_d.sql").mkdir()
    (tmp_path / "link.sql").symlink_to(tmp_path / "002_b.sql")
    named = [tmp_path / "001_a.sql", tmp_path / "gone.sql", tmp_path / "nowhere" / "001_x.sql"]
    assert undeclared.files(named) == [tmp_path / "002_b.sql"]
    assert undeclared.files([*named, tmp_path / "link.sql"]) == []
    assert undeclared.files([]) == []
