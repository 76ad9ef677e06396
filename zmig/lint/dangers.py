"""What squawk says, told the truth it cannot know: which tables are not in use yet, and what is proved already.

Pure: it takes squawk's findings as values. `zmig.lint.squawk` runs the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zmig.lint import fresh
from zmig.lint.finding import Remark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.lint.act import Act
    from zmig.lint.fresh import Fresh
    from zmig.lint.sqlfile import SqlFile
    from zmig.sql.reader import Name

_ABOUT_FORM = frozenset(
    {
        "squawk/ban-char-field",
        "squawk/ban-create-domain-with-constraint",
        "squawk/ban-drop-database",
        "squawk/ban-truncate-cascade",
        "squawk/identifier-too-long",
        "squawk/prefer-bigint-over-int",
        "squawk/prefer-bigint-over-smallint",
        "squawk/prefer-identity",
        "squawk/prefer-text-field",
        "squawk/prefer-timestamp-tz",
        "squawk/require-enum-value-ordering",
        "squawk/require-table-schema",
    }
)
"""What squawk finds whether the table is in use or not."""

_GENERAL = "squawk/constraint-missing-not-valid"
_MORE_SPECIFIC = frozenset(
    {
        "squawk/adding-foreign-key-constraint",
        "squawk/adding-serial-primary-key-field",
        "squawk/disallowed-unique-constraint",
    }
)
"""Say the same as the general rule about the same statement, and better."""

_HINTS = {
    "squawk/ban-char-field": "use `text`, with a `check` if the length matters",
    "squawk/ban-drop-database": "drop databases by hand",
    "squawk/changing-column-type": "add a new column, fill it in batches, and let clients move to it",
    "squawk/identifier-too-long": "choose a name of at most 63 bytes",
    "squawk/renaming-column": "add a new column, keep both in step, and drop the old one when no client uses it",
    "squawk/renaming-table": "create a view with the old name in the same migration, or rename when no client is left",
    "squawk/ban-drop-column": "drop it when no client uses it, and ignore the rule for this entry with that reason",
    "squawk/ban-drop-table": "drop it when no client uses it, and ignore the rule for this entry with that reason",
    "squawk/ban-drop-not-null": "make sure that every client can read a null",
    "squawk/ban-drop-schema": "drop it when no client uses it, and ignore the rule for this entry with that reason",
}


@dataclass(slots=True)
class Proofs:
    """The columns that a constraint holds to be never null, so that `SET NOT NULL` need not read the table."""

    _columns: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def has(self, table: Name, column: str) -> bool:
        """Whether a constraint holds the column."""
        return (table.name, column) in self._columns

    def learn(self, act: Act) -> None:
        """Take note of the constraints that a statement adds."""
        if act.verb == "alter" and act.changes:
            for found in _NOT_NULL.finditer(act.statement.text):
                self._columns.add((act.changes[0].name, _unquoted(found[1])))


_NOT_NULL = re.compile(r'check\s*\(+\s*("(?:[^"]|"")+"|\w+)\s+is\s+not\s+null\s*\)', re.IGNORECASE)
_SET_NOT_NULL = re.compile(r'alter\s+(?:column\s+)?("(?:[^"]|"")+"|\w+)\s+set\s+not\s+null', re.IGNORECASE)
_ON_ONLY = re.compile(r"create\s+(?:unique\s+)?index\s+(?:if\s+not\s+exists\s+)?\S+\s+on\s+only\b", re.IGNORECASE)
"""An index of a partitioned table without those of its partitions: nothing is built, and nobody waits."""
_TO_TEXT = re.compile(r"(?:set\s+data\s+)?type\s+(?:text|varchar|character\s+varying)\s*", re.IGNORECASE)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def weighed(file: SqlFile, said: Sequence[Remark], known: Fresh, proofs: Proofs) -> Iterator[Remark]:
    """Yield what remains of squawk's findings about a file."""
    if not said:
        return
    acts = {act.start: (act, is_fresh) for act, is_fresh in fresh.follow(file, known)}
    told = {(remark.rule, _start(file, remark)) for remark in said}
    for remark in said:
        start = _start(file, remark)
        act, is_fresh = acts.get(start, (None, False))
        is_unused = is_fresh and remark.rule not in _ABOUT_FORM
        is_told = remark.rule == _GENERAL and any((rule, start) in told for rule in _MORE_SPECIFIC)
        if not (is_unused or is_told or (act is not None and _is_harmless(remark, act, file, proofs))):
            yield remark


def _start(file: SqlFile, remark: Remark) -> int:
    act = file.act_at(remark.start)
    return -1 if act is None else act.start


def _is_harmless(remark: Remark, act: Act, file: SqlFile, proofs: Proofs) -> bool:
    if remark.rule == "squawk/changing-column-type":
        return _TO_TEXT.fullmatch(file.text[remark.start : remark.end]) is not None
    if remark.rule == "squawk/require-concurrent-index-creation":
        return _ON_ONLY.match(act.statement.text) is not None
    if remark.rule == "squawk/adding-not-nullable-field" and act.changes:
        columns = [_unquoted(found[1]) for found in _SET_NOT_NULL.finditer(act.statement.text)]
        return bool(columns) and all(proofs.has(act.changes[0], column) for column in columns)
    return False


def remark(file: SqlFile, rule: str, said: Mapping[str, object], start: int, end: int) -> Remark:
    """Return one of squawk's findings as a remark."""
    text, hint = said.get("message"), said.get("help")
    message = _sentence(text if isinstance(text, str) else rule)
    advice = hint.rstrip(".") if isinstance(hint, str) and hint else _HINTS.get(rule, f"see `docs/rules/{rule}.md`")
    return Remark(rule, message, _lower(advice), file.source, start, end)


def _sentence(text: str) -> str:
    return _lower(text.strip().rstrip("."))


def _lower(text: str) -> str:
    """Begin in lower case, as all messages do, unless the first word is a keyword."""
    first = text.partition(" ")[0]
    return text if first.isupper() and len(first) > 1 else text[:1].lower() + text[1:]
