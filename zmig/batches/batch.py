"""A batched migration: one statement, repeated round by round until it touches no row. Pure.

`:size` in it stands for how many rows a round takes, `:cursor` for the key after which the round begins. The
statement returns what the next round needs: the keys it touched, or one row with the last key and the row count.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, cast
from uuid import UUID

from zmig.errors import Problem, ZmigError
from zmig.text.substitution import Part, Substitution, substitute
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.sql.statement import Statement

Key = str | int | float
"""What a checkpoint stores of a key: a JSON value."""

_ORDERED = (int, float, Decimal, UUID)
"""Types whose values Python orders as the server does; dates and times come as moments, which are numbers.

Texts depend on a collation, which only the server knows; a month of an interval has 30 days there, a year 360.
"""


@valueclass
class Reached:
    """How far a batched migration is."""

    cursor: Key | None = None
    """The key that the next round begins after; None where rounds need none."""
    rows: int = 0
    rounds: int = 0
    _: KW_ONLY
    total: int | None = None
    """How many rows there were to do when it first began, where the manifest asks for that."""
    key: str | None = None
    """Which key the cursor is of, as far as the statement says."""

    def data(self) -> dict[str, object]:
        """Return what a checkpoint fact holds of it."""
        key = {} if self.key is None else {"key": self.key}
        return {"cursor": self.cursor, "rows": self.rows, "rounds": self.rounds, "total": self.total, **key}


def reached(data: Mapping[str, object]) -> Reached | None:
    """Return what the data of a checkpoint fact holds; None for a checkpoint of something else."""
    rows, rounds, total = data.get("rows"), data.get("rounds"), data.get("total")
    if not isinstance(rows, int) or not isinstance(rounds, int):
        return None
    cursor, key = data.get("cursor"), data.get("key")
    return Reached(
        cast("Key | None", cursor) if isinstance(cursor, Key) else None,
        rows,
        rounds,
        total=total if isinstance(total, int) else None,
        key=key if isinstance(key, str) else None,
    )


@valueclass
class Touched:
    """What one round did."""

    rows: int
    cursor: Key | None = None
    """The last key it looked at."""


def render(statement: Statement, *, size: int, cursor: str) -> Substitution:
    """Return the statement of a round; `cursor` is an SQL literal."""
    values = {"size": str(size), "cursor": cursor}
    return substitute(statement.text, (Part(start, end, values[name]) for name, start, end in placeholders(statement)))


def uses_cursor(statement: Statement) -> bool:
    """Whether the statement begins each round after the last key of the one before."""
    return any(name == "cursor" for name, _, _ in placeholders(statement))


def placeholders(statement: Statement) -> Iterator[tuple[str, int, int]]:
    """Yield `:size` and `:cursor` with their places; `::size` is a cast, and what is in strings is text."""
    before = colon = None
    for token in statement.tokens:
        if colon is not None and token.start == colon.end and token.text in ("size", "cursor"):
            yield token.text, colon.start, token.end
        is_colon = token.text == ":" and not (before is not None and before.text == ":" and before.end == token.start)
        before, colon = token, token if is_colon else None


@valueclass
class Answer:
    """What the server returned for the statement of a round."""

    command: str
    """The first word of its command tag, such as `UPDATE`."""
    count: int
    """How many rows it touched, or returned."""
    columns: int = 0
    rows: Sequence[Sequence[object]] = ()
    texts: Sequence[str | None] = ()
    """The values of its first column as the server writes them."""


def touched(answer: Answer, *, with_cursor: bool) -> Touched:
    """Return what a round did; `with_cursor` says that the next one needs a key.

    Raises:
        ZmigError: a SELECT returned no row of a key and a count, or another command no column of keys.
    """
    if answer.command != "SELECT":
        if not with_cursor:
            return Touched(answer.count)
        if answer.columns == 1:
            return _of_keys([row[0] for row in answer.rows], answer.texts)
    elif answer.columns == 2 and len(answer.rows) == 1 and isinstance(count := answer.rows[0][1], int):
        return Touched(count, _stored(answer.rows[0][0], answer.texts[0]))
    raise _unfit(f"{answer.command} returned {answer.count} rows of {answer.columns} columns")


def _of_keys(keys: Sequence[object], texts: Sequence[str | None]) -> Touched:
    if not keys:
        return Touched(0)
    if any(key is None for key in keys):
        raise _unfit("a key it returned is null")
    if len(keys) > 1 and not all(isinstance(key, _ORDERED) for key in keys):
        raise _unfit("it returned several keys of a type whose order only the server knows")
    ordered = cast("Sequence[int]", keys)
    # To the server, "not a number" is greater than any number; to Python it is neither greater nor less, nor itself.
    not_a_number = next((place for place, key in enumerate(ordered) if key != key), None)
    greatest = max(range(len(keys)), key=ordered.__getitem__) if not_a_number is None else not_a_number
    return Touched(len(keys), _stored(keys[greatest], texts[greatest]))


def _stored(key: object, text: str | None) -> Key | None:
    return key if type(key) is int else text


def beyond(answer: Answer) -> Touched | None:
    """Return where the next round begins, of the answer to what is left after one that touched no row."""
    return Touched(0, _stored(answer.rows[0][0], answer.texts[0])) if answer.rows else None


def left_over(rows: int) -> ZmigError:
    """Return the error of a round that touched no row although it chose some, and would choose them again."""
    message = f"a round touched no row, and there are still {rows} or more that it chooses"
    hint = "put all conditions into the SELECT that has `limit :size`"
    return ZmigError(Problem("batch-stands-still", message, hint=hint))


def _unfit(why: str) -> ZmigError:
    return ZmigError(
        Problem(
            "batch-result",
            f"the result of a round cannot be understood: {why}",
            hint="write `returning id`, or select one row: `select max(id), count(*) from touched`",
        )
    )


def check_moved(before: Reached, now: Touched, *, may_descend: bool = False) -> None:
    """Make sure that rounds come to an end; `may_descend` says that they may go from great keys to small ones.

    Raises:
        ZmigError: a round touched rows, and the next one would begin where it began.
    """
    if now.rows and now.cursor is None:
        raise _unfit(f"it touched {now.rows} rows and returned no key")
    key, last = now.cursor, before.cursor
    descends = isinstance(key, int) and isinstance(last, int) and key < last
    if key == last or (descends and not may_descend):
        message = f"a round touched {now.rows} rows and came no further than key `{key}`"
        hint = "write `where id > :cursor order by id limit :size`"
        raise ZmigError(Problem("batch-stands-still", message, hint=hint))
