"""What the text and the catalog tell of the keys of queries that read each other."""

from __future__ import annotations

from zmig.batches import joins, selection, side_queries, uniqueness
from zmig.batches.uniqueness import Catalog, Table
from zmig.sql import script

USERS = Table(("id", "x"), not_null=frozenset({"id"}), whole=frozenset({"id"}), keys=(frozenset({"id"}),))


def test_a_long_chain_of_named_queries_is_read_once_each() -> None:
    """Reading each twice would take longer than anybody waits."""
    steps = ["c0 as (select id, x from users)"]
    steps += [f"c{number} as (select id, x from c{number - 1} where x > {number})" for number in range(1, 60)]
    text = (
        f"with {', '.join(steps)}, chosen as (select id from c59 where id > :cursor order by id limit :size) "
        "update users set x = 1 from chosen where chosen.id = users.id returning users.id"
    )
    (one,) = script.split(text, path="")
    chosen = selection.read(one)
    assert chosen.chooser is not None
    key = side_queries.chooser_key(chosen)
    assert key
    assert uniqueness.is_key(chosen.chooser, key, Catalog({"users": USERS}))
    assert not uniqueness.is_key(
        chosen.chooser, key, Catalog({"users": Table(("id", "x"), not_null=USERS.not_null, whole=USERS.whole, keys=())})
    )


def test_named_queries_that_are_read_by_several_are_judged_once_each() -> None:
    """Sixty that each read the one before twice would be read 2 ** 60 times."""
    steps = ["c0 as (select id, x from users)"]
    steps += [
        f"c{number} as (select a.id, a.x from c{number - 1} a join c{number - 1} b on b.id = a.id)"
        for number in range(1, 60)
    ]
    text = (
        f"with {', '.join(steps)}, chosen as (select id from c59 where id > :cursor order by id limit :size) "
        "update users set x = 1 from chosen where chosen.id = users.id returning users.id"
    )
    (one,) = script.split(text, path="")
    chosen = selection.read(one)
    assert chosen.chooser is not None
    key = side_queries.chooser_key(chosen)
    assert key
    assert set(uniqueness.tables(chosen.chooser)) == {"users"}
    assert set(uniqueness.calls(chosen.chooser)) == set()
    assert set(joins.repetitions(chosen.chooser)) == {joins.Repetition.JOIN}
    assert uniqueness.is_key(chosen.chooser, key, Catalog({"users": USERS}))
    without_keys = Table(USERS.columns, not_null=USERS.not_null, whole=USERS.whole, keys=())
    assert not uniqueness.is_key(chosen.chooser, key, Catalog({"users": without_keys}))


def test_a_source_of_one_row_repeats_none() -> None:
    """However its one row comes about: here by a union."""
    text = (
        "select max(id), count(*) from (select u.id from users u, "
        "(select max(x) from (select x from users union all select x from others) both_tables) last "
        "where u.id > :cursor order by u.id limit :size) round"
    )
    (one,) = script.split(text, path="")
    chosen = selection.read(one)
    assert chosen.chooser is not None
    assert not joins.repeats_rows(chosen.chooser)
