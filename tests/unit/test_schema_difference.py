"""What differs between two snapshots, and what only differs because the servers are of different versions."""

from __future__ import annotations

import pytest

from zmig.catalog.difference import Change, Difference, differences
from zmig.catalog.objects import Key, Kind, SchemaSnapshot


def changes(before: dict[Key, str], after: dict[Key, str], *, majors: tuple[int, int] = (18, 18)) -> set[str]:
    found = differences(SchemaSnapshot(majors[0] * 10000 + 4, before), SchemaSnapshot(majors[1] * 10000 + 1, after))
    return {f"{one.change} {one.kind} {one.identity}" for one in found}


def test_an_object_is_missing_extra_or_changed() -> None:
    before = {(Kind.TABLE, "a"): "", (Kind.TABLE, "b"): "x", (Kind.TABLE, "same"): ""}
    after = {(Kind.TABLE, "b"): "y", (Kind.TABLE, "c"): "", (Kind.TABLE, "same"): ""}
    assert changes(before, after) == {"missing table a", "changed table b", "extra table c"}
    (one,) = differences(
        SchemaSnapshot(180000, {(Kind.VIEW, "v"): "a\nb"}), SchemaSnapshot(180000, {(Kind.VIEW, "v"): "a"})
    )
    assert (one.change, list(one.lines), one.is_note) == (Change.CHANGED, [" a", "-b"], False)


@pytest.mark.parametrize(
    ("kind", "identity", "older", "newer", "since"),
    [
        (Kind.PRIVILEGES, "table t", "x: select", "x: maintain\nx: select", 17),
        (Kind.PRIVILEGES, "table t", None, "x: maintain", 17),
        (Kind.DEFAULT_PRIVILEGES, "x on tables", None, "x: maintain with grant option", 17),
        (Kind.COLUMN, "t.c", "integer\nnot null", "integer\nnot null constraint filled", 18),
        (Kind.DOMAIN, "d", "integer\nnot null", "integer\nnot null constraint filled", 17),
        (Kind.TYPE, "r", "range\nsubtype integer", "range\nsubtype integer\nmultirange m", 14),
        (Kind.PRIVILEGES, "schema public", None, "public: create\npublic: usage", 15),
        (Kind.PRIVILEGES, "schema public", "public: usage", None, 15),
        (Kind.CONSTRAINT, "t.c", "CHECK ((json IS NOT NULL))", 'CHECK (("json" IS NOT NULL))', 17),
    ],
)
def test_what_only_the_newer_server_knows_is_no_difference(
    kind: Kind, identity: str, older: str | None, newer: str | None, since: int
) -> None:
    before: dict[Key, str] = {} if older is None else {(kind, identity): older}
    after: dict[Key, str] = {} if newer is None else {(kind, identity): newer}
    assert changes(before, after, majors=(since - 1, since)) == set()
    assert changes(after, before, majors=(since, since - 1)) == set()
    assert changes(before, after)


def test_a_name_that_only_the_newer_server_takes_for_a_keyword_is_the_same() -> None:
    before: dict[Key, str] = {(Kind.COLUMN, "app.t.json"): "text", (Kind.COLUMN, 'app.t."A b"'): "text"}
    after: dict[Key, str] = {(Kind.COLUMN, 'app.t."json"'): "text", (Kind.COLUMN, 'app.t."A b"'): "text"}
    assert changes(before, after, majors=(16, 17)) == set()


def test_rights_that_both_servers_know_still_count() -> None:
    before: dict[Key, str] = {(Kind.PRIVILEGES, "schema public"): "public: usage\nx: create"}
    assert changes(before, {}, majors=(14, 15)) == {"changed privileges schema public"}
    rights: dict[Key, str] = {(Kind.PRIVILEGES, "table t"): "x: select"}
    assert changes(rights, {}, majors=(13, 18)) == {"missing privileges table t"}


@pytest.mark.parametrize(
    ("kind", "identity", "expected", "found", "may_be"),
    [
        (Kind.VIEW, "v", "SELECT t.a FROM t;", "SELECT a FROM t;", True),
        (Kind.CONSTRAINT, "t.k", "CHECK (a)", "CHECK ((a))", True),
        (Kind.COLUMN, "t.a", "text\ndefault 'a'::text", "text\ndefault ('a')::text", True),
        (Kind.COLUMN, "t.a", "text\ndefault 'a'::text", "varchar\ndefault 'a'::text", False),
        (Kind.COLUMN, "t.a", "text", "text\nnot null", False),
        (Kind.COLUMN, "t.a", "text\ndefault 'a'::text", "text", False),
        (Kind.OWNER, "schema public", "the usual one", "postgres", True),
        (Kind.OWNER, "table t", "one", "two", False),
        (Kind.PRIVILEGES, "table t", "r: select", "r: insert", False),
        (Kind.SEQUENCE, "s", "start 1", "start 2", False),
        (Kind.VIEW, "v", "SELECT 1;", None, False),
    ],
)
def test_what_another_server_may_only_spell_otherwise(
    kind: Kind, identity: str, expected: str, found: str | None, *, may_be: bool
) -> None:
    assert Difference(kind, identity, expected, found).may_be_spelling == may_be
