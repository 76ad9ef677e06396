"""A database with a long past: facts as earlier runs would have left them, appended in bulk."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg

from zmig.database.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.workloads import Change

FACTS_EACH = 10


def append(url: str, changes: Sequence[Change]) -> None:
    """Append ten facts for each change: four attempts that failed, and one that succeeded."""
    with psycopg.connect(url, autocommit=True) as connection:
        store = Store(connection, "zmig")
        store.create(store.inspect())
        copy = "copy zmig.migration_events (aggregate_id, event_type, event_data, run_id, host) from stdin"
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            for change in changes:
                _append(rows, change)
        connection.execute("vacuum analyze zmig.migration_events")


def _append(rows: psycopg.Copy, change: Change) -> None:
    checksum = sha256(change.sql.encode()).hexdigest()
    for attempt in range(1, FACTS_EACH // 2 + 1):
        is_last = attempt == FACTS_EACH // 2
        data: dict[str, object] = {"version": change.version, "name": change.name, "attempt": attempt}
        started = data | {"checksum": checksum, "kind": "sql", "transactional": True}
        ended = data | ({"checksum": checksum, "kind": "sql"} if is_last else {"error": {"message": "no"}})
        for type, said in (("started", started), ("done" if is_last else "failed", ended)):
            rows.write_row((change.name, f"migration.{type}", json.dumps(said), f"run{attempt}", "bench"))
