"""Reading the files of a plan before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.errors import ManifestError
from zmig.model import Kind, Language, Migration
from zmig.planning.plan import Action, Direction, Plan, Step
from zmig.project import prepare
from zmig.sql import script

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rollback_file_without_a_statement_is_refused_rather_than_taken_for_done(tmp_path: Path) -> None:
    file, rollback = tmp_path / "a.sql", tmp_path / "a.rollback.sql"
    file.write_text("create table a ();")
    rollback.write_text("-- description: Undoes a\n\n/* later */ ;\n")
    migration = Migration(1, "a", Kind.SQL, Language.SQL, file=file, rollback_file=rollback)
    assert len(prepare.read(Plan(Direction.FORWARD, (Step(migration, Action.APPLY, ""),)))) == 1
    with pytest.raises(ManifestError) as caught:
        prepare.read(Plan(Direction.ROLLBACK, (Step(migration, Action.ROLL_BACK, ""),)))
    assert caught.value.code == "file-empty"


def test_python_is_told_by_its_suffix_in_any_case(tmp_path: Path) -> None:
    file = tmp_path / "A.PY"
    file.write_text("def execute(ctx): pass\n")
    migration = Migration(1, "a", Kind.PYTHON, Language.PYTHON, file=file)
    (work,) = prepare.read(Plan(Direction.FORWARD, (Step(migration, Action.APPLY, ""),)))
    assert work.mode.reason == "Python, one transaction"


def test_a_script_runs_in_one_transaction_by_itself() -> None:
    mode = prepare.transaction_mode(script.split("select 1; call p();", path="a.sql"), None)
    assert mode.transactional
    assert mode.reason == "every statement can run inside a transaction"


def test_a_statement_that_refuses_a_transaction_decides_for_its_script() -> None:
    statements = list(script.split("select 1;\n\nvacuum t;\nreindex system;", path="a.sql"))
    mode = prepare.transaction_mode(statements, None)
    assert not mode.transactional
    assert mode.reason == "`VACUUM` in line 3 cannot run inside a transaction"


@pytest.mark.parametrize("declared", [True, False])
def test_the_manifest_decides_before_the_statements(declared: bool) -> None:
    (vacuum,) = script.split("vacuum", path="a.sql")
    mode = prepare.transaction_mode([vacuum], declared)
    assert mode.transactional is declared
    assert mode.reason == f"`transaction: {str(declared).lower()}` in the manifest"
