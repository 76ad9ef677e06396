"""Facts as values: what a row's type and data mean, whoever wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tales import NOW
from zmig.facts import EventType, Fact, Verdict


@pytest.mark.parametrize("type", list(EventType))
def test_a_type_is_understood_with_and_without_its_prefix(type: EventType) -> None:
    assert EventType.parse(f"migration.{type.name.lower()}") is type
    assert EventType.parse(type.name.lower()) is type


@pytest.mark.parametrize(
    "text", ["", "migration.", "Started", "migration.migration.started", "user.started", "migration.done ", "begun"]
)
def test_a_foreign_type_is_none(text: str) -> None:
    assert EventType.parse(text) is None


def _fact(type: EventType = EventType.STARTED, **data: object) -> Fact:
    return Fact(7, "001_a", type, created_at=NOW, data=data)


@pytest.mark.parametrize("value", [1, 2**63 - 1])
def test_a_version_is_a_positive_bigint(value: int) -> None:
    assert _fact(version=value).version == value


@pytest.mark.parametrize("value", [0, -1, 2**63, True, "1", 1.0, None, [1], {"version": 1}])
def test_anything_else_is_no_version(value: object) -> None:
    assert _fact(version=value).version is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (-(2**63), -(2**63)), (-(2**63) - 1, None), (2**63, None), (True, None), ("5", None), (5.0, None)],
)
def test_a_count_is_a_bigint(value: object, expected: int | None) -> None:
    assert _fact(attempt=value).integer("attempt") == expected


@pytest.mark.parametrize(("value", "expected"), [("x", "x"), ("", ""), (1, None), (None, None), (["x"], None)])
def test_a_text_is_a_string(value: object, expected: str | None) -> None:
    assert _fact(checksum=value).text("checksum") == expected


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"message": "division by zero"}, "division by zero"),
        ({"message": 5}, None),
        ({}, None),
        ("division by zero", None),
        (None, None),
    ],
)
def test_the_message_of_an_error_is_found_where_zmig_puts_it(error: object, message: str | None) -> None:
    assert _fact(EventType.FAILED, error=error).error_message == message


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("done", Verdict.DONE),
        ("pending", Verdict.PENDING),
        ("failed", Verdict.FAILED),
        ("Done", Verdict.FAILED),
        (None, Verdict.FAILED),
        (["done"], Verdict.FAILED),
    ],
)
def test_a_resolution_that_is_not_understood_says_failed(said: object, verdict: Verdict) -> None:
    assert _fact(EventType.RESOLVED, **{"as": said}).verdict is verdict


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(EventType),
    st.dictionaries(st.sampled_from(["version", "as", "error", "attempt"]) | st.text(), _JUNK),
)
def test_no_data_is_too_odd_to_be_read(type: EventType, data: dict[str, object]) -> None:
    fact = Fact(1, "x", type, created_at=NOW, data=data)
    assert hash(fact.superseding_key) is not None
    assert fact.verdict in Verdict
    assert fact.version is None or fact.version > 0
    assert fact.error_message is None or isinstance(data["error"], dict)
