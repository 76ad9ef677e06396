"""Facts are kept for ever: what the first zmig wrote is read, trusted and gone on from."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from tests.support.process import run
from zmig import Migrator
from zmig.errors import ZmigError

HISTORY = Path(__file__).parent / "first_format"


@pytest.fixture
def migrator(tmp_path: Path, connection: psycopg.Connection, database: str) -> Migrator:
    connection.execute((HISTORY / "database.sql").read_bytes())
    return Migrator(shutil.copytree(HISTORY, tmp_path / "shop") / "manifest.yaml", database_url=database)


def test_states_and_causes_are_read(migrator: Migrator, database: str) -> None:
    status = migrator.status()
    assert status.applied == ["001_tables", "002_index", "003_rows", "004_lower", "005_note"]
    assert (status.pending, status.failed, status.stuck) == (["090_view"], ["006_wrong"], [])
    told = run("status", HISTORY / "manifest.yaml", "--database-url", database).stdout
    assert 'error: migration `006_wrong` failed: column "id" of relation "users" already exists\n' in told
    assert "   = rolled back: it left nothing behind\n" in told
    assert [step.migration.name for step in migrator.plan().steps] == ["006_wrong", "090_view"]


def test_the_next_run_goes_on_and_rolls_back(
    migrator: Migrator, tmp_path: Path, connection: psycopg.Connection
) -> None:
    (tmp_path / "shop" / "006_wrong.sql").write_text("alter table users add column more int;\n")
    assert migrator.migrate().completed == ("006_wrong", "090_view")
    assert migrator.migrate().completed == ()
    with pytest.raises(ZmigError, match="006_wrong"):
        migrator.rollback(to=4)
    (tmp_path / "shop" / "006_wrong.rollback.sql").write_text("alter table users drop column more;\n")
    manifest = tmp_path / "shop" / "manifest.yaml"
    manifest.write_text(
        manifest.read_text().replace("006_wrong.sql\n", "006_wrong.sql\n    rollback: 006_wrong.rollback.sql\n")
    )
    assert migrator.rollback(to=4).completed == ("006_wrong", "005_note")
    assert connection.execute("select * from users order by id limit 1").fetchall() == [(1, "n1")]


def test_the_databases_own_guard_still_holds(migrator: Migrator, connection: psycopg.Connection) -> None:
    assert migrator.status().applied
    with pytest.raises(psycopg.errors.RestrictViolation, match="migration_events is append-only: delete is refused"):
        connection.execute("delete from zmig.migration_events")
