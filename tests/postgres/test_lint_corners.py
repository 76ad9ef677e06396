"""What `zmig lint` says of the rarer forms of tables is what a server does, as of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.postgres.test_lint_effects import compared, replayed
from zmig.lint.replay.catalog import Catalog
from zmig.lint.replay.effects import Fails

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

FUNCTIONS = """
create function one() returns int language sql immutable as $$ select 1 $$;
create function one(a int) returns int language sql immutable as $$ select a $$;
create function lone(a int) returns int language sql immutable as $$ select a $$;
create function free() returns int language sql as $$ select 1 $$;
create function seen() returns int language sql as $$ select 1 $$;
create function asked(a int) returns boolean language sql immutable as $$ select a > 0 $$;
create table defaulted (id int, a int default one());
create table checked (id int, constraint positive check (lone(id) > 0));
create table indexed (id int, a int);
create index indexed_lone on indexed (lone(id));
create index indexed_some on indexed (id) where asked(id);
create table generated (id int, twice int generated always as (lone(id)) stored);
create table guarded (id int);
create policy own on guarded using (asked(id));
create table called (id int);
create view shows as select seen() as v;
create function noted() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger called_noted before insert on called for each row when (asked(new.id)) execute function noted();
insert into defaulted values (1); insert into checked values (1); insert into indexed values (1, 1);
insert into generated values (1);
"""
CORNERS = [
    (FUNCTIONS, [
        "drop function one()",
        "drop function one() cascade",
        "drop function one(int)",
        "drop function lone(int)",
        "drop function lone",
        "drop function lone(int) cascade",
        "drop function free()",
        "drop function seen()",
        "drop function seen() cascade",
        "drop function asked(int)",
        "drop function asked(int) cascade",
        "drop function noted()",
        "drop function noted() cascade",
        "alter table defaulted alter column a drop default; drop function one()",
        "alter table checked drop constraint positive; drop table generated; drop index indexed_lone; "
        "drop function lone(int)",
        "drop table checked, generated, indexed; drop function lone(int)",
        "drop view shows; drop function seen()",
        "alter table checked rename constraint positive to z; drop function lone(int) cascade",
        "drop function lone(int), asked(int) cascade",
        "alter function lone(int) rename to z; drop table checked, indexed, generated; drop function z(int)",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("setup", "statements"), CORNERS, ids=["functions"])
def test_a_statement_does_what_is_said(
    connect: Callable[..., psycopg.Connection], setup: str, statements: list[str]
) -> None:
    connection = connect()
    version = connection.info.server_version // 10000
    connection.execute(setup.encode())
    base, failed = replayed(setup, Catalog(), version=version)
    assert [one for one in failed if isinstance(one, Fails)] == []
    wrong: list[str] = []
    for sql in statements:
        wrong += compared(connection, sql, base, version=version)
    assert not wrong, f"{len(wrong)} of {len(statements)}:\n" + "\n".join(wrong)
