"""The migrations that are tortured: every kind, every way of running, and a tally of what took effect.

Every statement that can commit together with a fact leaves a row in `tally`, so one that was lost or repeated is
seen; what the others do is seen in the catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.project import ProjectFolder

if TYPE_CHECKING:
    from pathlib import Path

DETACH_CONCURRENTLY_SINCE = 140000

FIRST_BRIEF = 8
"""The first of a row of files that share a flush."""
LAST, BEFORE_ROLLBACKS, LAST_ATOMIC = 107, 1, 4
"""The versions a round goes up to, and back to."""

_MARK = "insert into tally values ({version}, {place}, 'done');"


def _marked(version: int, *statements: str, undone: bool = False) -> str:
    """Return a script with a row in the tally before, between and after its statements."""
    mark = _MARK.replace("done", "undone") if undone else _MARK
    lines = [mark.format(version=version, place=0)]
    for place, statement in enumerate(statements, start=1):
        lines += [f"{statement};", mark.format(version=version, place=place)]
    return "\n".join(lines) + "\n"


RELEASES = "ZMIG_TORTURE_RELEASES"
"""The name of a variable that says how likely it is that a step of the code releases every advisory lock."""

_CODE = """
import os
import random


def execute(ctx):
    for place in range(20):
        if random.random() < float(os.environ.get("ZMIG_TORTURE_RELEASES", "0")):
            ctx.execute("select pg_advisory_unlock_all()")
        ctx.execute("insert into tally values (4, %s, 'done')", [place])
        ctx.execute("insert into item (kind, size) select 'small', n from generate_series(1, 50) n")
    ctx.execute("alter table item add column doubled int generated always as (size * 2) stored")


def rollback(ctx):
    ctx.execute("alter table item drop column doubled")
    ctx.execute("insert into tally values (4, 0, 'undone')")
"""

_REPEATED_CODE = """
def should_repeat(ctx, last_run):
    return False


def execute(ctx):
    ctx.execute("insert into tally values (991, 0, 'done')")
    ctx.execute("create or replace function total() returns bigint language sql stable as 'select count(*) from item'")
"""

_LATE = """
create function note_late() returns trigger language plpgsql as $$
begin
    perform pg_sleep(0.02);
    return null;
end $$;
create constraint trigger late after insert on part deferrable initially deferred
    for each row execute function note_late();
insert into part values (1, 'a'), (2, 'b');
insert into tally values (3, 0, 'done');
"""


def write(folder: Path, url: str, *, server_version: int) -> ProjectFolder:
    """Write the project; what an older server does not know is left out."""
    project = ProjectFolder(folder, url, defaults={"lock_timeout": "10s"})
    project.sql(
        "001_ground",
        "create table tally (version int, place int, what text);\n"
        "create table item (id bigint generated always as identity, kind text not null, size int);\n"
        "insert into item (kind, size) select 'big', n from generate_series(1, 5000) n;\n"
        "insert into tally values (1, 0, 'done');\n",
    )
    project.sql(
        "002_shapes",
        _marked(
            2,
            "create type mood as enum ('calm', 'wild')",
            "alter table item add column mood mood not null default 'calm'",
            "update item set mood = 'wild' where size % 2 = 0",
            "create table part (id int, name text) partition by range (id)",
            "create table part_1 partition of part for values from (0) to (10)",
            "create table part_2 partition of part for values from (10) to (20)",
            "select pg_sleep(0.01)",
        ),
        rollback=_marked(2, "drop table part", "alter table item drop column mood", "drop type mood", undone=True),
    )
    project.sql(
        "003_late",
        _LATE,
        rollback="drop trigger late on part;\ndrop function note_late();\n"
        "delete from part;\ninsert into tally values (3, 0, 'undone');\n",
    )
    project.python("004_code", _CODE)
    project.sql(
        "005_indexes",
        _marked(
            5,
            "create index concurrently item_size on item (size)",
            "create unique index concurrently if not exists item_id on item (id)",
            "alter table item add constraint item_pkey primary key using index item_id",
            "create index concurrently on item (kind, size)",
            "alter type mood add value if not exists 'odd'",
        ),
        rollback=_marked(
            5,
            "drop index concurrently item_kind_size_idx",
            "alter table item drop constraint item_pkey",
            "drop index concurrently if exists item_size",
            undone=True,
        ),
    )
    detach = "alter table part detach partition part_2" + (
        " concurrently" if server_version >= DETACH_CONCURRENTLY_SINCE else ""
    )
    attach = "alter table part attach partition part_2 for values from (10) to (20)"
    project.sql(
        "006_upkeep",
        _marked(
            6,
            "set search_path = public, pg_temp",
            "reindex index concurrently item_size",
            detach,
            "vacuum analyze item",
            "set statement_timeout = '1h'",
            "create index concurrently item_mood on item (mood)",
        ),
        rollback=_marked(6, "drop index concurrently item_mood", "vacuum item", attach, undone=True),
        transaction=False,
    )
    rows = "".join(f"{number}\trow {number}\n" for number in range(200))
    project.sql(
        "007_rows",
        "create table loaded (id int primary key, name text);\ncopy loaded from stdin;\n"
        f"{rows}\\.\n" + _marked(7, "analyze loaded"),
        rollback=_marked(7, "drop table loaded", undone=True),
    )
    for version in range(FIRST_BRIEF, LAST + 1):
        table = f"brief_{version}"
        project.sql(
            f"{version:03}_{table}",
            f"create table {table} (x int);\ncomment on table {table} is 'brief';\n",
            rollback=f"drop table {table};\n",
        )
    project.repeatable(
        "990_views",
        "create or replace view big as select id, size from item where kind = 'big';\n"
        "insert into tally values (990, 0, 'done');\n",
    )
    project.python("991_function", _REPEATED_CODE, kind="repeatable")
    return project


REPEATABLES = frozenset({990, 991})
