"""How large tables are where migrations run, from a file: what a lock of a small one is worth."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, cast

from zmig.errors import Problem, UsageError
from zmig.lint.finding import Severity
from zmig.lint.registry import RULES
from zmig.lint.replay.effects import Builds, Rewrites, Scans, Validates, WritesRows
from zmig.lint.rule import Group
from zmig.sql.token_reader import Name
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zmig.lint.finding import Remark
    from zmig.lint.steps import Step

SMALL_ROWS = 10_000
SMALL_BYTES = 16 * 1024 * 1024
"""A table below both is read and written in less time than a lock is worth a thought."""
_QUERY = "the query that makes it is in docs/lint.md"


@valueclass
class Size:
    """How large a table is."""

    bytes: int
    rows: int | None = None
    """None where nobody has counted them."""

    @property
    def is_small(self) -> bool:
        """Whether work on it is done at once."""
        return self.bytes < SMALL_BYTES and (self.rows or 0) < SMALL_ROWS

    def __str__(self) -> str:
        number, unit = float(self.bytes), "bytes"
        for larger in ("kB", "MB", "GB", "TB"):
            if number < 1024:
                break
            number, unit = number / 1024, larger
        size = f"{number:.0f} {unit}"
        return size if self.rows is None else f"{self.rows:,} rows, {size}"


Sizes = dict[Name, Size]
"""By full name."""


def read(path: Path) -> Sizes:
    """Return what a file of CSV or JSON says of tables: `table`, `rows` and `bytes`. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = json.loads(text) if path.suffix == ".json" else [*csv.DictReader(io.StringIO(text))]
        return dict(_size(cast("Mapping[str, object]", row)) for row in cast("Iterable[object]", rows))
    except OSError as error:
        message = f"`{path}` cannot be read: {error.strerror or error}"
        raise UsageError(Problem("usage", message, hint=f"name a file of sizes: {_QUERY}")) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"`{path}` is no list of `table`, `rows` and `bytes` in CSV or JSON"
        raise UsageError(Problem("usage", message, hint=f"make it anew: {_QUERY}")) from None


def _size(row: Mapping[str, object]) -> tuple[Name, Size]:
    schema, _, table = str(row["table"]).rpartition(".")
    rows, size = row.get("rows"), row["bytes"]
    return Name(schema or "public", table), Size(int(str(size)), None if rows in (None, "") else int(str(rows)))


def weighed(remarks: Iterable[Remark], steps: Sequence[Step], sizes: Sizes) -> Iterator[Remark]:
    """Yield remarks, those about locks with the size of the table that is worked on; one about small ones is a note."""
    for remark in remarks:
        step = None
        if sizes and RULES[remark.rule].group == Group.LOCK:
            step = next((one for one in steps if _is_about(remark, one)), None)
        known = {} if step is None else {table: sizes.get(table) for table in _worked_on(step)}
        sized = {table: size for table, size in known.items() if size is not None}
        if not sized:
            yield remark
            continue
        table, size = max(sized.items(), key=lambda one: one[1].bytes)
        is_small = len(sized) == len(known) and all(one.is_small for one in sized.values())
        message = f"{remark.message}; `{table.name}` has {size}"
        yield replace(remark, message=message, severity=Severity.NOTE if is_small else remark.severity)


def _is_about(remark: Remark, step: Step) -> bool:
    return remark.source is step.file.source and step.statement.start <= remark.start < step.statement.end


def _worked_on(step: Step) -> Iterator[Name]:
    """Yield the tables in use whose rows a statement reads or writes."""
    for effect in step.effects:
        if isinstance(effect, Validates):
            yield effect.references
        if isinstance(effect, Builds | Rewrites | Scans | Validates | WritesRows) and step.is_in_use(effect.table):
            yield effect.table
