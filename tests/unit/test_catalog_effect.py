"""What the catalog is asked about a statement: one line per case."""

from __future__ import annotations

import pytest

from tests.support.statements import NAMES
from zmig.sql import script
from zmig.sql.catalog_effect import (
    AddEnumValue,
    CatalogEffect,
    CreateIndex,
    CreateShared,
    DetachPartition,
    DropIndex,
    DropShared,
    FinishPrepared,
    Idempotent,
    Reindex,
    ReindexKind,
    SharedKind,
    Unknown,
)
from zmig.sql.token_reader import Name

TABLE = Name(None, "t")

EFFECTS: dict[str, CatalogEffect] = {
    "create index concurrently i on t (a)": CreateIndex(
        "i", TABLE, is_unique=False, if_not_exists=False, concurrently=True
    ),
    "create unique index concurrently if not exists I on only S.T using btree (a)": CreateIndex(
        "i", Name("s", "t"), is_unique=True, if_not_exists=True, concurrently=True
    ),
    "create index on t (a)": CreateIndex(None, TABLE, is_unique=False, if_not_exists=False, concurrently=False),
    'create index concurrently "on" on "S"."a""b" (a)': CreateIndex(
        "on", Name("S", 'a"b'), is_unique=False, if_not_exists=False, concurrently=True
    ),
    "create index if on t (a)": CreateIndex("if", TABLE, is_unique=False, if_not_exists=False, concurrently=False),
    "create index i on d.s.t (a)": CreateIndex(
        "i", Name("s", "t"), is_unique=False, if_not_exists=False, concurrently=False
    ),
    "drop index concurrently a.b, c cascade": DropIndex((Name("a", "b"), Name(None, "c")), False, True),
    "drop index concurrently if exists i": DropIndex((Name(None, "i"),), True, True),
    "reindex (verbose, concurrently) index s.i": Reindex(ReindexKind.INDEX, Name("s", "i"), True),
    "reindex table concurrently t": Reindex(ReindexKind.TABLE, TABLE, True),
    "reindex (concurrently off) schema s": Reindex(ReindexKind.SCHEMA, Name(None, "s"), False),
    "reindex database": Reindex(ReindexKind.DATABASE, None, False),
    "create database D with owner o": CreateShared(SharedKind.DATABASE, "d"),
    "drop database if exists d (force)": DropShared(SharedKind.DATABASE, "d", True),
    "create tablespace x location '/x'": CreateShared(SharedKind.TABLESPACE, "x"),
    "drop tablespace x": DropShared(SharedKind.TABLESPACE, "x", False),
    "create subscription s connection 'c' publication p": CreateShared(SharedKind.SUBSCRIPTION, "s"),
    "drop subscription if exists s": DropShared(SharedKind.SUBSCRIPTION, "s", True),
    "alter table s.t detach partition p concurrently": DetachPartition(Name("s", "t"), Name(None, "p"), True, False),
    "alter table if exists only t * detach partition s.p finalize": DetachPartition(TABLE, Name("s", "p"), False, True),
    "alter type s.e add value if not exists 'it''s' before 'x'": AddEnumValue(Name("s", "e"), "it's", True),
    r"alter type e add value E'a\n\x41\u00e4\'' || ''": AddEnumValue(Name(None, "e"), "a\nAä'", False),
    "alter type e add value $x$a'b$x$": AddEnumValue(Name(None, "e"), "a'b", False),
    "commit prepared 'x'": FinishPrepared("x", True),
    "rollback prepared 'x'": FinishPrepared("x", False),
    "vacuum (full) t": Idempotent("VACUUM"),
    "analyze t": Idempotent("ANALYZE"),
    "cluster": Idempotent("CLUSTER"),
    "alter system set a = 1": Idempotent("ALTER SYSTEM"),
    "alter database d set tablespace x": Idempotent("ALTER DATABASE"),
    "alter subscription s refresh publication": Idempotent("ALTER SUBSCRIPTION"),
    "refresh materialized view concurrently v": Idempotent("REFRESH MATERIALIZED VIEW"),
    "set lock_timeout = '1s'": Idempotent("SET"),
    "insert into t values (1)": Unknown("INSERT INTO T"),
    "call p()": Unknown("CALL P"),
    "alter type e rename value 'a' to 'b'": Unknown("ALTER TYPE E"),
    "alter subscription s add publication p": Unknown("ALTER SUBSCRIPTION S"),
    "create index": Unknown("CREATE INDEX"),
    "(select 1)": Unknown("SELECT"),
}


@pytest.mark.parametrize(("text", "expected"), EFFECTS.items(), ids=EFFECTS.keys())
def test_effect(text: str, expected: CatalogEffect) -> None:
    (statement,) = script.split(text, path="a.sql")
    assert statement.command.effect == expected


@pytest.mark.parametrize(("written", "meant"), NAMES.items(), ids=NAMES.keys())
def test_a_name_is_read_as_the_server_reads_it(written: str, meant: str) -> None:
    (statement,) = script.split(f"create database {written} with owner o", path="a.sql")
    assert statement.command.effect == CreateShared(SharedKind.DATABASE, meant)


def test_a_constant_in_which_a_backslash_escapes_stands_for_what_the_server_reads() -> None:
    (one,) = script.split(r"alter type e add value 'it\'s\n''x''' before N'\'';", path="x.sql", conforming=False)
    assert one.command.effect == AddEnumValue(Name(None, "e"), "it's\n'x'", False)


@pytest.mark.parametrize("escape", ["x", "5", ""])
def test_an_escape_that_is_no_constant_leaves_a_name_as_it_is(escape: str) -> None:
    (statement,) = script.split(f'create database u&"a" uescape {escape}', path="a.sql")
    assert statement.command.effect == CreateShared(SharedKind.DATABASE, "a")
