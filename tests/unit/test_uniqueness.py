"""What the text and the catalog tell of the keys of queries that read each other."""

from __future__ import annotations

from zmig.batches import selection, side_queries, uniqueness
from zmig.batches.uniqueness import Catalog, Table
from zmig.sql import script

USERS = Table(("id", "x"), frozenset({"id"}), frozenset({"id"}), (frozenset({"id"}),))


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
        chosen.chooser, key, Catalog({"users": Table(("id", "x"), USERS.not_null, USERS.whole, ())})
    )
