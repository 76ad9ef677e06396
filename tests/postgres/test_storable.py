"""Whatever a fact is to hold, jsonb takes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zmig.database.store import storable

if TYPE_CHECKING:
    import psycopg


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        pytest.param("plain", "plain", id="text"),
        pytest.param("日本 é 🎉", "日本 é 🎉", id="wide text"),
        pytest.param("a\0b", "a\\0b", id="a NUL"),
        pytest.param("\ud800x\udcff", "\\ud800x\\udcff", id="surrogates without a partner"),
        pytest.param({"k\0": {"\udcff": 1}}, {"k\\0": {"\\udcff": 1}}, id="odd keys"),
        pytest.param({7: None}, {"7": None}, id="a key that is no text"),
        pytest.param([1, (2.5, None)], [1, [2.5, None]], id="lists"),
        pytest.param(float("nan"), "nan", id="no number"),
        pytest.param([float("inf"), float("-inf")], ["inf", "-inf"], id="numbers without end"),
        pytest.param(10**100, 10**100, id="a large number"),
        pytest.param(1 << 20_000, hex(1 << 20_000), id="a number too large to be written in decimals"),
        pytest.param(True, True, id="a truth"),
        pytest.param(datetime(2026, 8, 30, 14, tzinfo=UTC), "2026-08-30 14:00:00+00:00", id="a time"),
        pytest.param(PurePosixPath("a/\udcff"), "a/\\udcff", id="a path that is not UTF-8"),
        pytest.param(b"\0", "b'\\x00'", id="bytes"),
        pytest.param(MappingProxyType({"a": 1}), {"a": 1}, id="a mapping that is no dict"),
    ],
)
def test_any_value_is_stored_in_some_form(connection: psycopg.Connection, value: object, stored: object) -> None:
    row = connection.execute("select %s::jsonb", [storable({"value": value})]).fetchone()
    assert row == ({"value": stored},)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(st.characters()), _ANYTHING, max_size=4))
def test_nothing_is_refused(connection: psycopg.Connection, data: dict[str, object]) -> None:
    row = connection.execute("select %s::jsonb", [storable(data)]).fetchone()
    assert row is not None
    assert len(row[0]) <= len(data)
    assert json.loads(storable(data)).keys() == row[0].keys()
