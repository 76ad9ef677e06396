from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from zmig_tui.models import columns, rows
from zmig_tui.models.filter import Filter
from zmig_tui.models.rows import Order
from zmig_tui.text import width

from zmig.facts import EventType, Fact
from zmig.model import Kind, Language, Migration
from zmig.planning import planner
from zmig.planning.history import Record
from zmig.planning.state import Entry, Finding, FindingCode, State
from zmig.presentation.spans import plain

NOW = datetime(2026, 3, 14, tzinfo=UTC)


def _entry(version: int, name: str, state: State = State.DONE, milliseconds: int = 5) -> Entry:
    migration = Migration(version, name, Kind.SQL, Language.SQL, file=Path(f"{name}.sql"))
    done = Fact(
        version,
        name,
        EventType.DONE,
        created_at=NOW + timedelta(days=version),
        data={"duration_ms": milliseconds},
        database_user="anna",
    )
    applied = done if state is State.DONE else None
    return Entry(migration, Record(name, version, last=done, applied=applied), state)


ENTRIES = [
    _entry(1, "alpha", milliseconds=900),
    _entry(2, "beta", State.FAILED),
    _entry(3, "gamma", milliseconds=5),
    _entry(4, "delta", State.STUCK),
    _entry(5, "epsilon", State.PENDING),
]
ROWS = tuple(rows.make_row(entry) for entry in ENTRIES)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "alpha beta gamma delta epsilon"),
        ("ta", "beta delta"),
        ("TA fail", "beta"),
        ("state:stuck", "delta"),
        ("kind:python", ""),
        ("has:edited", ""),
        ("5", "epsilon"),
        ("by:anna took>10ms", "alpha"),
        ("took<=0.005s", "gamma"),
        ("-ta -state:pending", "alpha gamma"),
        ("-", ""),
        ("took>x", ""),
    ],
)
def test_a_filter_wants_every_word(text: str, names: str) -> None:
    assert " ".join(row.name for row in Filter(text)(ROWS)) == names


@pytest.mark.parametrize(
    ("order", "is_reversed", "names"),
    [
        (Order.PLAN, False, "alpha beta gamma delta epsilon"),
        (Order.PLAN, True, "epsilon delta gamma beta alpha"),
        (Order.STATE, False, "beta delta epsilon alpha gamma"),
        (Order.NAME, False, "alpha beta delta epsilon gamma"),
        (Order.WHEN, False, "epsilon delta gamma beta alpha"),
        (Order.TOOK, False, "alpha gamma beta delta epsilon"),
    ],
)
def test_rows_are_arranged(order: Order, is_reversed: bool, names: str) -> None:
    arranged = rows.sort_rows(ROWS, order, is_reversed=is_reversed)
    assert " ".join(row.name for row in arranged) == names


def test_it_begins_at_trouble_else_at_work_else_at_what_is_pending() -> None:
    assert rows.first_of_interest(ROWS) == 1
    healthy = [row for row in ROWS if not row.is_troubled]
    assert healthy[rows.first_of_interest(healthy)].name == "epsilon"
    running = rows.make_row(_entry(6, "zeta", State.STARTED))
    assert rows.first_of_interest([*healthy, running]) == len(healthy)
    assert rows.first_of_interest([]) == 0


def test_the_next_that_somebody_has_to_look_at_is_found_in_a_circle() -> None:
    assert [rows.next_amiss(ROWS, at) for at in (0, 1, 3)] == [1, 3, 1]
    assert rows.next_amiss(ROWS, 1, backwards=True) == 3
    assert rows.next_amiss(ROWS[:1], 0) is None


def test_what_forbids_an_apply_is_gone_to_and_counted_and_what_was_decided_is_not() -> None:
    edited, renamed, paused, due = (
        replace(_entry(version, name), findings=(Finding(code, "so it is"),))
        for version, name, code in (
            (1, "edited", FindingCode.EDITED),
            (2, "renamed", FindingCode.RENAMED),
            (3, "paused", FindingCode.PAUSED),
            (4, "due", FindingCode.DUE),
        )
    )
    unproven = _entry(5, "unproven", State.STARTED)
    entries = [_entry(9, "fine"), due, paused, renamed, edited, unproven]
    refusing = rows.refusing_keys(planner.apply_refusals(entries))
    made = rows.RowCache()(entries, refusing | {"5"})
    assert [row.name for row in made if row.is_refusing] == ["edited", "unproven"]
    assert [row.name for row in made if row.is_amiss] == ["renamed", "edited", "unproven"]
    assert made[rows.first_of_interest(made)].name == "edited"
    assert rows.count_findings(made) == {"renamed": 1, "edited": 1}


def test_a_row_is_made_anew_only_where_something_changed() -> None:
    make = rows.RowCache()
    before = make(ENTRIES)
    changed = [*ENTRIES[:4], replace(ENTRIES[4], state=State.STARTED)]
    after = make(changed)
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, True, True, True, False]


@pytest.mark.parametrize("cells", [40, 60, 79, 100, 200])
def test_a_row_takes_the_width_it_is_given(cells: int) -> None:
    widths = columns.fit(columns.measure(ROWS), cells)
    for row in ROWS:
        assert width(columns.row_line(row, widths)) <= cells
    head = columns.header_line(widths, Order.PLAN, is_reversed=False)
    assert width(head) == width(columns.row_line(ROWS[0], widths))


def test_one_cell_too_few_shortens_a_column_and_takes_none_away() -> None:
    wanted = columns.Widths(version=3, name=25, kind=10, when=16, took=6, by=8, findings=9)
    before = columns.fit(wanted, 140)
    assert before == wanted
    for cells in range(140, 40, -1):
        widths = columns.fit(wanted, cells)
        assert widths.name <= 25
        if widths.by == 0:
            assert widths.when <= 11
        if widths.kind == 0:
            assert widths.by == 0
        gone = [name for name in ("kind", "when", "took", "by") if getattr(before, name) and not getattr(widths, name)]
        assert len(gone) <= 1
        if "took" in gone or "when" in gone:
            assert before.name == 18
        before = widths


def test_the_cursor_is_a_mark_and_not_only_a_colour() -> None:
    widths = columns.fit(columns.measure(ROWS), 80)
    assert plain(columns.row_line(ROWS[0], widths, is_under_cursor=True)).startswith("▌")


def test_names_are_shortened_in_the_middle_where_there_is_no_room() -> None:
    long = rows.make_row(_entry(1, "a" * 60 + "_end"))
    shown = plain(columns.row_line(long, columns.fit(columns.measure([long]), 60)))
    assert "…" in shown
    assert "_end" in shown
