"""Which versions and names the migrations of another tool get."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmig.importing import numbering
from zmig.importing.file_names import FileNames
from zmig.importing.numbering import Identity
from zmig.manifest import typed_reader
from zmig.manifest.declaration import LARGEST_VERSION
from zmig.other_tools.source import Repeats, Script, SourceMigration


def one(name: str, number: int | None = None, *, repeats: bool = False, id: str | None = None) -> SourceMigration:
    script = Script("", f"{name}.sql")
    return SourceMigration(id or name, name, script, number=number, repeats=Repeats.CHANGED if repeats else None)


def versions(*migrations: SourceMigration, **declared: int) -> list[int]:
    return [found.version for found in numbering.identities(migrations, declared)]


def test_numbers_that_are_versions_stay() -> None:
    assert versions(one("a", 3), one("b", 20240131120000), one("c", LARGEST_VERSION)) == [
        3, 20240131120000, LARGEST_VERSION
    ]  # fmt: skip
    assert versions(one("a", 0), one("b", 2)) == [1, 2]


@pytest.mark.parametrize(
    "numbers", [[1, 1], [2, 1], [0, 1], [0, 0], [-1, 5], [1, None], [None, None], [1, LARGEST_VERSION + 1]]
)
def test_others_are_counted_in_the_order_of_the_tool(numbers: list[int | None]) -> None:
    assert versions(*(one(f"m{index}", number) for index, number in enumerate(numbers))) == [1, 2]


@pytest.mark.parametrize(
    ("highest", "first"),
    [
        (0, 9001), (7, 9001), (99, 9001), (300, 90001), (9999, 900001), (1_700_000_000, 9_000_000_001),
        (20240131120000, 90000000000001), (9_500_000_000, 10_000_000_001), (LARGEST_VERSION - 5, LARGEST_VERSION - 4),
    ],
)  # fmt: skip
def test_repeatables_are_where_no_other_version_comes(highest: int, first: int) -> None:
    assert numbering.first_repeatable(highest) == first
    assert highest < first <= LARGEST_VERSION


def test_repeatables_are_numbered_after_the_gap() -> None:
    assert versions(one("a", 1), one("r", repeats=True), one("s", repeats=True)) == [1, 9001, 9002]


def test_what_the_manifest_has_keeps_its_version() -> None:
    assert versions(one("a", 1), one("b", 2), one("c", 3), a=1, c=3) == [1, 2, 3]
    assert versions(one("a"), one("new"), one("b"), a=1, b=2, own=3) == [1, 4, 2]
    assert versions(one("a", 1), one("b", 2), a=1, own=2) == [1, 3]
    assert versions(one("a", 1), one("r", repeats=True), one("s", repeats=True), a=1, s=90) == [1, 9001, 90]


def test_names_are_unique_and_fit_a_manifest() -> None:
    migrations = [
        one("a", id="1"),
        one("a", id="2"),
        one("a", id="2"),
        one(" b\nc\x00 "),
        one("", id="x"),
        one("d" * 300),
    ]
    names = [found.name for found in numbering.identities(migrations, {})]
    assert names == ["a", "a 2", "a_2", "b c", "x", "d" * 200]


@given(st.lists(st.tuples(st.text(max_size=5), st.one_of(st.none(), st.integers(-2, 9)), st.booleans()), max_size=8))
def test_whatever_there_is_versions_and_names_are_each_there_once(found: list[tuple[str, int | None, bool]]) -> None:
    migrations = [
        one(name, number, repeats=repeats, id=f"id{index}") for index, (name, number, repeats) in enumerate(found)
    ]
    migrations.sort(key=lambda migration: migration.repeats is not None)
    identities = numbering.identities(migrations, {})
    numbers = [identity.version for identity in identities]
    assert numbers == sorted(set(numbers))
    assert len({identity.name for identity in identities}) == len(migrations)
    assert all(typed_reader.NAME.fullmatch(identity.name) for identity in identities)
    again = {identity.name: identity.version for identity in identities}
    assert numbering.identities(migrations, again) == identities


@pytest.mark.parametrize(
    ("identity", "stem"),
    [
        (Identity(20240131120000, "20240131120000_users"), "20240131120000_users"),
        (Identity(7, "0007_users"), "0007_users"),
        (Identity(7, "users"), "007_users"),
        (Identity(2, "V1.2__add orders"), "002_V1.2__add_orders"),
        (Identity(2, "jo/smith:12?"), "002_jo_smith_12"),
        (Identity(2, "../.."), "002"),
        (Identity(2, "日本"), "002_日本"),
    ],
)
def test_a_file_is_called_by_version_and_name(identity: Identity, stem: str) -> None:
    assert FileNames(Path("m/m.yaml"), Path("db"), highest=300).stem(identity, number=identity.version) == stem


def test_a_name_that_happens_to_begin_with_its_version_is_numbered_like_the_others() -> None:
    assert FileNames(Path("m/m.yaml"), Path("db"), highest=300).stem(Identity(1, "1_initial")) == "001_1_initial"


def test_no_file_name_is_used_twice_not_even_in_another_case() -> None:
    names = FileNames(Path("m/m.yaml"), Path("db"), highest=300)
    stems = [names.stem(Identity(1, name)) for name in ("a", "A", "a ", "a")]
    assert len({stem.casefold() for stem in stems}) == 4
