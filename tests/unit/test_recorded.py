"""A schema in a fact: what is kept comes back, what is large or secret is kept as its hash."""

from __future__ import annotations

import random
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from zmig.catalog import recorded
from zmig.catalog.difference import differences
from zmig.catalog.objects import Kind, SchemaSnapshot
from zmig.catalog.recorded import Kept

if TYPE_CHECKING:
    from zmig.catalog.objects import Key

TEXTS = some.text(some.characters(exclude_categories=["Cs"]), max_size=40)
OBJECTS = some.dictionaries(some.tuples(some.sampled_from(Kind), TEXTS), TEXTS, max_size=12)


def unchanged(text: str) -> str:
    return text


@given(OBJECTS, OBJECTS)
def test_changes_make_the_later_schema_of_the_earlier(
    before: dict[tuple[Kind, str], str], now: dict[tuple[Kind, str], str]
) -> None:
    first, later = recorded.kept(before, unchanged), recorded.kept(now, unchanged)
    changed = recorded.changes(first, now, later)
    assert changed.keys() == {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
    assert recorded.objects_of([recorded.encoded(first), recorded.encoded(changed)]) == later
    snapshot = SchemaSnapshot(180000, now)
    assert differences(recorded.comparable(later, now, 180000), snapshot) == []


def test_a_secret_is_kept_as_a_hash() -> None:
    key: Key = (Kind.COMMENT, "table t")
    objects: dict[Key, str] = {key: "the key is s3cret"}
    kept = recorded.kept(objects, lambda text: text.replace("s3cret", "****"))
    assert kept[key].text == "the key is ****"
    assert kept[key].is_of(key, "the key is s3cret")
    assert not kept[key].is_of(key, "the key is ****")
    assert recorded.decoded(recorded.encoded(kept)) == kept
    assert recorded.changes(kept, objects, recorded.kept(objects, unchanged)) == {}, "known here, and not there"


def test_where_all_is_large_long_definitions_are_kept_as_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_LARGE_BYTES", 5_000)
    noise = random.Random(1).randbytes(10_000).hex()
    objects: dict[Key, str] = {(Kind.ROUTINE, "long()"): noise, (Kind.TABLE, "t"): "unlogged"}
    kept = recorded.kept(objects, unchanged)
    assert [one.text for one in kept.values()] == [None, "unlogged"]
    assert recorded.changes(kept, objects, kept) == {}
    shown = recorded.comparable(kept, {**objects, (Kind.ROUTINE, "long()"): "other"}, 180000)
    assert shown.objects[Kind.ROUTINE, "long()"] == "(a definition that is kept as its hash alone)"
    many: dict[Key, str] = {
        (Kind.ROUTINE, f"f{number}()"): noise[number * 99 : number * 99 + 99] for number in range(200)
    }
    assert {one.text for one in recorded.kept(many, unchanged).values()} == {None}


@pytest.mark.parametrize("text", ["", "nonsense", "e30=", "eJyLjgUAARUAuQ==x", "eJwrSczMAwAEpAGm"])
def test_what_is_no_object_is_an_error_of_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="no objects"):
        recorded.decoded(text)


def test_a_kind_that_is_not_known_is_one_too() -> None:
    text = recorded.encoded({(Kind.TABLE, "t"): Kept("x")})
    assert recorded.decoded(text) == {(Kind.TABLE, "t"): Kept("x")}
    monster = b64encode(zlib.compress(b'[["monster", "m", "y"]]')).decode()
    with pytest.raises(ValueError, match="no objects"):
        recorded.decoded(monster)
