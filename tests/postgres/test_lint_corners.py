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

TYPED = """
create type point3 as (x int, y int, note varchar(10));
create table typed of point3;
create table keyed of point3 (primary key (x), y with options not null default 5, check (y > 0));
create table plain (x int, y int, note varchar(10));
create table wider (x int, y int, note varchar(10), more int);
insert into typed values (1, 2, 'a'); insert into keyed values (1, 2, 'a'); insert into plain values (1, 2, 'a');
"""
PARTITIONED_KEYS = """
create table things (id int primary key, code text);
create table parents (id int primary key, v text) partition by range (id);
create table parents_1 partition of parents for values from (1) to (100);
create table parents_2 partition of parents for values from (100) to (200);
create table parents_3 (id int primary key, v text);
create table children (id int primary key, parent_id int references parents (id));
create table plain (id int, parent_id int, thing_id int);
create table parts (id int, thing_id int references things (id)) partition by range (id);
create table parts_1 partition of parts for values from (1) to (100);
create table parts_2 (id int, thing_id int);
create table parts_3 (id int, thing_id int references things (id));
create table bare (id int, thing_id int) partition by range (id);
create table bare_1 partition of bare for values from (1) to (100);
insert into things values (1, 'a'); insert into parents values (1, 'a'), (100, 'b');
insert into parents_3 values (300, 'c'); insert into children values (1, 1); insert into plain values (1, 1, 1);
insert into parts values (1, 1); insert into parts_2 values (300, 1); insert into parts_3 values (400, 1);
insert into bare values (1, 1);
"""
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
INHERITING = """
create table animals (id int not null, name text, constraint named check (name <> ''));
create table dogs (id int not null, name text, breed text, constraint named check (name <> ''));
create table cats (id int, name text);
create table fish (id int not null, name text);
create table birds (wings int) inherits (animals);
create table owls (eyes int) inherits (birds);
create table texts (id text not null, name text, constraint named check (name <> ''));
create table plants (leaves int);
create table ferns (leaves int);
insert into animals values (1, 'a'); insert into dogs values (1, 'a', 'b'); insert into birds values (1, 'a', 2);
insert into owls values (1, 'a', 2, 2);
"""
LIKE = """
create type mood as enum ('sad', 'ok');
create table source (
    id int generated always as identity primary key, a int default 5 not null, b text collate "C" unique,
    c int generated always as (a * 2) stored, m mood, n serial, constraint more check (a > 0),
    constraint less check (a < 100) no inherit
);
create index source_low on source (lower(b)); create index source_some on source (a) where b is not null;
create view seen as select a, b from source;
insert into source (b) values ('x');
"""
IDENTITIES = """
create table named (id int primary key, code text not null, mail text, at date not null, tag text not null);
create unique index named_code on named (code);
create unique index named_mail on named (mail);
create unique index named_low on named (lower(code));
create unique index named_some on named (code) where id > 5;
create index named_at on named (at);
alter table named add constraint named_tag unique (tag) deferrable;
alter table named add constraint positive check (id > 0);
create table other (id int primary key);
create table refers (id int, named_id int constraint refers_named references named (id));
create table parts (id int, named_id int) partition by range (id);
create table parts_1 partition of parts for values from (1) to (100);
"""
BESIDE = """
create schema other;
create table told (a int, b int, c int);
create statistics known on a, b from told;
create statistics other.known on b, c from told;
create publication news for table told;
"""
CORNERS = [
    (BESIDE, [
        "create statistics known on a, c from told",
        "create statistics if not exists known on a, c from told",
        "create statistics on a, c from told",
        "drop statistics known",
        "drop statistics known; drop statistics known",
        "drop statistics known; drop statistics other.known",
        "drop statistics other.known; drop statistics known",
        "drop statistics known; drop statistics if exists known",
        "drop statistics known; create statistics known on a, b from told",
        "alter table told drop column a; drop statistics known",
        "alter table told drop column a; drop statistics other.known",
        "alter statistics known rename to k; drop statistics known",
        "alter statistics known rename to k; drop statistics k",
        "drop publication news; drop publication news",
        "drop publication news; drop publication if exists news",
        "create publication news for table told",
        "create publication z for table told; drop publication z",
        "alter publication news drop table told",
        "alter publication news drop table told; alter publication news add table told",
        "alter publication news set table told",
    ]),
    (IDENTITIES, [
        "alter table named replica identity using index named_pkey",
        "alter table named replica identity using index named_code",
        "alter table named replica identity using index named_mail",
        "alter table named alter mail set not null; alter table named replica identity using index named_mail",
        "alter table named replica identity using index named_low",
        "alter table named replica identity using index named_some",
        "alter table named replica identity using index named_at",
        "alter table named replica identity using index named_tag",
        "alter table named replica identity using index other_pkey",
        "alter table named replica identity using index nothing",
        "alter table named replica identity full",
        "alter table named alter constraint positive deferrable",
        "alter table named alter constraint positive not deferrable",
        "alter table named alter constraint named_pkey deferrable initially deferred",
        "alter table named alter constraint nothing deferrable",
        "alter table refers alter constraint refers_named deferrable initially deferred",
        "alter table parts add constraint z foreign key (named_id) references named (id) not valid",
        "alter table parts add foreign key (named_id) references named (id)",
        "alter table parts_1 add constraint z foreign key (named_id) references named (id) not valid",
    ]),
    (TYPED, [
        "create table z of point3",
        "create table z of point3 (x primary key)",
        "create table z of nothing",
        "alter table typed add column z int",
        "alter table typed drop column y",
        "alter table typed rename column y to z",
        "alter table typed alter column y type bigint",
        "alter table typed alter column y set default 7",
        "alter table typed alter column y set not null",
        "alter table typed add primary key (x)",
        "alter table typed add constraint z check (x > 0)",
        "alter table typed not of",
        "alter table typed not of; alter table typed add column z int",
        "alter table plain of point3",
        "alter table wider of point3",
        "alter table plain of point3; alter table plain drop column y",
        "alter type point3 add attribute z int",
        "alter type point3 add attribute z int cascade",
        "alter type point3 add attribute x int cascade",
        "alter type point3 drop attribute y",
        "alter type point3 drop attribute y cascade",
        "alter type point3 drop attribute x cascade",
        "alter type point3 drop attribute nothing cascade",
        "alter type point3 drop attribute if exists nothing cascade",
        "alter type point3 alter attribute y type bigint",
        "alter type point3 alter attribute y type bigint cascade",
        "alter type point3 alter attribute note type varchar(20) cascade",
        "alter type point3 alter attribute note type text cascade",
        "alter type point3 alter attribute note type varchar(5) cascade",
        "alter type point3 rename attribute y to z",
        "alter type point3 rename attribute y to z cascade",
        "alter type point3 rename attribute nothing to z cascade",
        "alter type point3 rename to other_point",
        "drop type point3",
        "drop type point3 cascade",
        "drop table typed",
        "create table z (like typed)",
    ]),
    (PARTITIONED_KEYS, [
        "alter table plain add constraint z foreign key (parent_id) references parents (id)",
        "alter table plain add constraint z foreign key (parent_id) references parents (id) not valid",
        "alter table plain add constraint z foreign key (parent_id) references parents (id) not valid;"
        "alter table plain validate constraint z",
        "alter table plain add column z int references parents (id)",
        "alter table plain add constraint z foreign key (parent_id) references parents_1 (id)",
        "alter table bare add constraint z foreign key (thing_id) references things (id)",
        "alter table bare_1 add constraint z foreign key (thing_id) references things (id)",
        "alter table bare_1 add constraint z foreign key (thing_id) references things (id);"
        "alter table bare add constraint z foreign key (thing_id) references things (id)",
        "alter table children drop constraint children_parent_id_fkey",
        "alter table parts drop constraint parts_thing_id_fkey",
        "alter table parts_1 drop constraint parts_thing_id_fkey",
        "alter table parents attach partition parents_3 for values from (200) to (400)",
        "alter table parts attach partition parts_2 for values from (200) to (400)",
        "alter table parts attach partition parts_3 for values from (400) to (500)",
        "alter table parents detach partition parents_2",
        "alter table parts detach partition parts_1",
        "create table parents_4 partition of parents for values from (200) to (300)",
        "create table parts_4 partition of parts for values from (200) to (300)",
        "create table z (id int references parents (id))",
        "create table z (id int references parents (v))",
        "drop table parents",
        "drop table parents cascade",
        "drop table parents_2",
        "drop table parents_2 cascade",
        "drop table children; drop table parents_2",
        "alter table children drop constraint children_parent_id_fkey; drop table parents_2",
        "drop table children",
        "drop table parts",
        "drop table parts_1",
        "drop table things",
        "drop table things cascade",
        "truncate parents",
        "truncate parents, children",
        "truncate parents cascade",
        "alter table parents drop constraint parents_pkey",
        "alter table parents drop constraint parents_pkey cascade",
        "alter table parents_1 drop constraint parents_1_pkey",
        "alter table children alter column parent_id type bigint",
        "alter table things alter column id type bigint",
        "alter table things drop column id cascade",
    ]),
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
    (INHERITING, [
        "alter table dogs inherit animals",
        "alter table cats inherit animals",
        "alter table fish inherit animals",
        "alter table texts inherit animals",
        "alter table plants inherit animals",
        "alter table ferns inherit plants",
        "alter table animals inherit animals",
        "alter table animals inherit owls",
        "alter table birds inherit animals",
        "alter table birds no inherit animals",
        "alter table dogs no inherit animals",
        "alter table owls no inherit birds",
        "alter table dogs inherit animals; alter table animals add column z int default 5",
        "alter table dogs inherit animals; alter table dogs drop column name",
        "alter table dogs inherit animals; alter table dogs drop constraint named",
        "alter table dogs inherit animals; alter table dogs drop column breed",
        "alter table dogs inherit animals; alter table animals drop column name",
        "alter table dogs inherit animals; alter table dogs no inherit animals; alter table dogs drop column name",
        "alter table birds no inherit animals; alter table birds drop column name",
        "alter table birds no inherit animals; alter table birds drop constraint named",
        "alter table birds no inherit animals; drop table animals",
        "alter table birds no inherit animals; alter table animals rename column name to called",
        "drop table animals",
        "drop table animals cascade",
        "drop table birds cascade",
    ]),
    (LIKE, [
        "create table z (like source)",
        "create table z (like source including all)",
        "create table z (like source including defaults)",
        "create table z (like source including generated)",
        "create table z (like source including identity)",
        "create table z (like source including constraints)",
        "create table z (like source including indexes)",
        "create table z (like source including all excluding indexes)",
        "create table z (like source including all excluding constraints excluding identity)",
        "create table z (like source including comments including storage including statistics including compression)",
        "create table z (like source including all, extra int primary key)",
        "create table z (like source excluding all, extra int)",
        "create table z (id int, like source)",
        "create table z (like nothing)",
        "create table z (like seen)",
        "create table z (like mood)",
        "create table other (like source including all); create table z (like other including all)",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("setup", "statements"), CORNERS, ids=["beside", "identities", "typed", "keys", "functions", "inheriting", "like"]
)
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
