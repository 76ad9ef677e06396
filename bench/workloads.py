"""The migrations that every tool is given, generated from a seed, in each tool's own form."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 20261122


@dataclass(frozen=True, slots=True)
class Change:
    """One migration: its number and its SQL."""

    version: int
    sql: str

    @property
    def name(self) -> str:
        """Its file's stem."""
        return f"{self.version:05d}_change"


def mixed(count: int) -> list[Change]:
    """Return small changes as people write them, in turn: a table, a column of it, an index on that."""
    forms = (
        "create table item_{table} (\n    id bigint generated always as identity primary key,\n"
        "    name text not null,\n    created_at timestamptz not null default now()\n);\n",
        "alter table item_{table} add column state text not null default 'new';\n",
        "create index item_{table}_state on item_{table} (state);\n",
    )
    return [
        Change(version, forms[(version - 1) % 3].format(table=(version - 1) // 3 + 1))
        for version in range(1, count + 1)
    ]


def history(count: int) -> list[Change]:
    """Return the history of a database that grew: tables with references, data, views, functions, triggers, indexes."""
    chosen = random.Random(SEED)
    tables: list[int] = []
    changes: list[Change] = []
    for version in range(1, count + 1):
        if len(tables) < 3 or chosen.random() < 0.2:
            tables.append(version)
            changes.append(Change(version, _table(version, tables[:-1], chosen)))
        else:
            form = chosen.choices(tuple(_FORMS), weights=_WEIGHTS)[0]
            changes.append(Change(version, form.format(table=chosen.choice(tables), version=version)))
    return changes


def _table(version: int, others: list[int], chosen: random.Random) -> str:
    reference = ""
    if others and chosen.random() < 0.6:
        other = chosen.choice(others)
        reference = f"    parent_id bigint references entity_{other} (id),\n"
    return (
        f"-- what is kept of entity {version}\n"
        f"create table entity_{version} (\n    id bigint generated always as identity primary key,\n{reference}"
        "    name text not null check (name <> ''),\n    settings jsonb not null default '{}',\n"
        "    created_at timestamptz not null default now()\n);\n\n"
        f"create index entity_{version}_created on entity_{version} (created_at);\n"
        f"comment on table entity_{version} is 'one row for each entity {version}';\n"
    )


_FORMS = {
    "alter table entity_{table} add column note_{version} text;\n": 30,
    "create index entity_{table}_{version} on entity_{table} (name, id);\n": 18,
    "insert into entity_{table} (name) select 'row ' || n from generate_series(1, 20) as n;\n": 12,
    "update entity_{table} set settings = settings || '{{\"v{version}\": true}}' where id % 2 = 0;\n": 10,
    "create view view_{version} as select id, name, created_at::date as day from entity_{table};\n": 6,
    "alter table entity_{table} add column count_{version} integer not null default 0;\n"
    "alter table entity_{table} add constraint count_{version}_positive check (count_{version} >= 0);\n": 10,
    "create function touch_{version}() returns trigger language plpgsql as $$\nbegin\n"
    "    new.name := trim(new.name);\n    return new;\nend\n$$;\n"
    "create trigger touch_{version} before insert on entity_{table}\n"
    "    for each row execute function touch_{version}();\n": 6,
    "create type state_{version} as enum ('new', 'open', 'done');\n"
    "alter table entity_{table} add column state_{version} state_{version} not null default 'new';\n": 5,
    "grant select on entity_{table} to public;\n": 3,
}
"""What people do to a table, and how often of a hundred times."""

_WEIGHTS = tuple(_FORMS.values())


def tiny(count: int) -> list[Change]:
    """Return the smallest of changes, a type each: the server has little to do, and commits can share a flush."""
    chosen = random.Random(SEED)
    return [
        Change(version, f"create type state_{version} as enum ('a{chosen.randrange(1000)}', 'b');\n")
        for version in range(1, count + 1)
    ]


def tables(count: int) -> list[Change]:
    """Return changes that make a table with an index each: files that the server writes, too."""
    return [
        Change(
            version,
            f"create table item_{version} (id bigint primary key, name text not null);\n"
            f"create index item_{version}_name on item_{version} (name);\n",
        )
        for version in range(1, count + 1)
    ]


def inserts(total_bytes: int, *, rows_each: int = 1) -> Iterator[str]:
    """Yield the lines of a large file of inserts, with so many rows each."""
    chosen = random.Random(SEED)
    yield "create table if not exists readings (id bigint, sensor text, value numeric, note text);\n"
    written, number = 0, 0
    while written < total_bytes:
        for place in range(rows_each):
            number += 1
            value = chosen.randrange(10**6)
            row = (
                f"({number}, 'sensor-{value % 97}', {value}.{value % 100:02d}, "
                f"'it''s reading {number} of the day, taken as usual')"
            )
            begin = "insert into readings values " if place == 0 else "  "
            line = f"{begin}{row}{',' if place < rows_each - 1 else ';'}\n"
            written += len(line)
            yield line


def write_plain(folder: Path, changes: list[Change]) -> None:
    """Write the changes as SQL files, with a psql script that runs each in a transaction of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    script = ["create table book (version bigint primary key, name text, at timestamptz default now());"]
    for change in changes:
        (folder / f"{change.name}.sql").write_text(change.sql)
        booking = f"insert into book (version, name) values ({change.version}, '{change.name}');"
        script += ["begin;", f"\\i {folder / change.name}.sql", booking, "commit;"]
    (folder / "all.psql").write_text("\n".join(script) + "\n")


def write_zmig(folder: Path, changes: list[Change]) -> None:
    """Write a manifest over the plain files beside it."""
    entries = "".join(f"  - version: {change.version}\n    file: {change.name}.sql\n" for change in changes)
    text = f"manifest: 1\nname: bench\nenvironment: test\nmigrations:\n{entries}"
    (folder / "manifest.yaml").write_text(text)


def write_dbmate(folder: Path, changes: list[Change]) -> None:
    """Write dbmate's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for change in changes:
        (folder / f"{change.name}.sql").write_text(f"-- migrate:up\n{change.sql}\n-- migrate:down\n")


def write_yoyo(folder: Path, changes: list[Change]) -> None:
    """Write yoyo's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for change in changes:
        (folder / f"{change.name}.sql").write_text(change.sql)


_ALEMBIC_ENV = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["BENCH_SQLALCHEMY_URL"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

_ALEMBIC_REVISION = '''
from alembic import op

revision = "{name}"
down_revision = {previous!r}


def upgrade():
    op.execute("""{sql}""")
'''


def write_alembic(folder: Path, changes: list[Change]) -> None:
    """Write alembic's environment and revisions."""
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    (folder / "env.py").write_text(_ALEMBIC_ENV)
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder}\n")
    previous: str | None = None
    for change in changes:
        text = _ALEMBIC_REVISION.format(name=change.name, previous=previous, sql=change.sql)
        (folder / "versions" / f"{change.name}.py").write_text(text)
        previous = change.name
