"""Prove that the same SQL makes the same schema on every major version of PostgreSQL: no findings, but notes.

    python -m tests.proof.majors           # 13 to 17 beside 18
    python -m tests.proof.majors 13 16

The binaries are those of `tests/matrix/fetch`. Ends with 1 if there is a finding.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import psycopg

from tests.proof.mutations import make_role, private_server
from tests.support.schema_parts import Part
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database.schema_reader import read
from zmig.verification.reparse import mark_respelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.catalog.difference import Difference
    from zmig.catalog.objects import SchemaSnapshot

NEWEST = 18
_SPELLED = """
create schema spelled;
create table spelled.t (
    id int primary key, "json" text, "user" text not null, code varchar(10) check (code in ('A', 'B')), at timestamptz,
    body text, number numeric, constraint "json_value" check ("json" <> ''),
    constraint late check (at at time zone 'UTC' > '2000-01-01')
);
create table spelled.u (id int primary key, t_id int references spelled.t, "json" text);
create index by_json on spelled.t ("json", lower("user"));
create view spelled.one as select id, "json", "user" from spelled.t where code in ('A', 'B');
create view spelled.whole as select * from spelled.t;
create view spelled.joined as select t.id, u."json" from spelled.t join spelled.u on u.t_id = t.id;
create view spelled.sub as select id from spelled.t where exists (select 1 from spelled.u where u.t_id = t.id);
create view spelled.zone as select at at time zone 'Europe/Berlin' as local, trim(both from body) as trimmed,
    substring(body from 1 for 3) as start, position('x' in body) as place, overlay(body placing 'a' from 1) as laid
    from spelled.t;
create view spelled.grouped as select code, count(*) filter (where number > 1) as many, sum(number) over w as total
    from spelled.t group by code, number window w as (partition by code order by number);
create view spelled.merged as select id from spelled.t union all select id from spelled.u;
create view spelled.recursive as
    with recursive r as (select 1 as n union all select n + 1 from r where n < 5) select n from r;
create materialized view spelled.days as select date_trunc('day', at) as day, count(*) as n from spelled.t group by 1;
create policy own on spelled.t using ("user" = current_user and code in ('A', 'B'));
create function spelled.f(a int default 1, b text default 'x' || 'y') returns int language sql as 'select 1';
create function spelled.tf() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger tg before update on spelled.t for each row when (old.* is distinct from new.*)
    execute function spelled.tf();
create rule r as on insert to spelled.one do instead insert into spelled.t (id, "user") values (new.id, new."user");
"""


def made(connection: psycopg.Connection) -> SchemaSnapshot:
    """Make schemas that every version can make, and read them."""
    make_role(connection)
    for number in (1, 2):
        connection.execute(Part(number).make.encode())
    connection.execute(_SPELLED.encode())
    return read(connection, Scope("zmig"))


def notes_and_findings(
    newest: psycopg.Connection, expected: SchemaSnapshot, found: SchemaSnapshot
) -> tuple[list[Difference], list[Difference]]:
    """Compare what an older server has with what the newest has."""
    marked = mark_respelled(newest, differences(expected, found))
    return [one for one in marked if one.is_note], [one for one in marked if not one.is_note]


def findings(newest: psycopg.Connection, expected: SchemaSnapshot, found: SchemaSnapshot) -> list[str]:
    """Return what differs otherwise than in spelling."""
    return [
        f"{one.change} {one.kind} {one.identity}: {list(one.lines)}"
        for one in notes_and_findings(newest, expected, found)[1]
    ]


def snapshot_of(major: int) -> SchemaSnapshot:
    """Make the schemas on a server of another major version."""
    with private_server(major) as url, psycopg.connect(url, autocommit=True) as connection:
        return made(connection)


def main(majors: Sequence[int]) -> int:
    """Compare each version with the newest; print what differs."""
    wrong = 0
    with private_server(NEWEST) as url, psycopg.connect(url, autocommit=True) as newest:
        expected = made(newest)
        for major in majors:
            notes, found = notes_and_findings(newest, expected, snapshot_of(major))
            sys.stdout.write(f"PostgreSQL {major}: {len(found)} findings, {len(notes)} notes\n")
            for one in (*found, *notes):
                sys.stdout.write(f"  {one.reason or 'FINDING'}: {one.kind} {one.identity}\n")
            for one in found:
                sys.stdout.write("\n".join(one.lines) + "\n")
            wrong += len(found)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or range(13, NEWEST)))
