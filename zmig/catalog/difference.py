"""How the objects of two snapshots differ, as values and as text. Pure.

Which of the two is right is for the caller to say: the first one is what is expected, the second what is there.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.catalog.array_casts import at_elements
from zmig.catalog.objects import Kind
from zmig.valueclass import replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zmig.catalog.objects import Key, SchemaSnapshot

_MULTIRANGE_SINCE, _PUBLIC_SINCE, _MAINTAIN_SINCE, _DOMAIN_NOT_NULL_SINCE, _NOT_NULL_SINCE = 14, 15, 17, 17, 18
_PUBLIC_RIGHTS, _PUBLIC_OWNER = (Kind.PRIVILEGES, "schema public"), (Kind.OWNER, "schema public")
_NOT_NULL_NAME = re.compile(r"^(not null.*?) constraint .*$", re.MULTILINE)
_QUOTED = re.compile(r'"(?:(?P<simple>[a-z_][a-z0-9_]*)|(?:[^"]|"")*)"(?!")')


_WITH_EXPRESSIONS = frozenset(
    {
        Kind.COLUMN, Kind.CONSTRAINT, Kind.DOMAIN, Kind.INDEX, Kind.MATERIALIZED_VIEW, Kind.POLICY, Kind.PUBLICATION,
        Kind.ROUTINE, Kind.RULE, Kind.STATISTICS, Kind.TABLE, Kind.TRIGGER, Kind.VIEW,
    }
)  # fmt: skip
"""In the definitions of these are expressions; the server writes all other properties in the same way always."""
_DEPARSED = _WITH_EXPRESSIONS - {Kind.ROUTINE}
"""What the server writes by itself; a routine's body is as somebody wrote it."""
_EXPRESSION = re.compile(r"^(?:default |generated always as \()", re.MULTILINE)
"""Where an expression begins in the definition of a column."""


class Change(StrEnum):
    """What became of an object."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"


@valueclass
class Difference:
    """One object that is not as it was expected."""

    kind: Kind
    identity: str
    expected: str | None
    """Its definition; None where it was not expected."""
    found: str | None
    """The same of the one that is there; None where none is."""
    is_respelled: bool = False
    """Whether a server that is given both definitions writes them the same."""

    @property
    def change(self) -> Change:
        """What became of it."""
        if self.found is None:
            return Change.MISSING
        return Change.EXTRA if self.expected is None else Change.CHANGED

    @property
    def is_note(self) -> bool:
        """Whether it is a note, and no finding."""
        return self.is_respelled or self.kind.is_note

    def counts(self, *, column_order: bool) -> bool:
        """Whether it is a finding, among which the order of columns may be, too."""
        return not self.is_note or (column_order and self.kind is Kind.COLUMN_ORDER)

    @property
    def may_be_spelling(self) -> bool:
        """Whether it may be no more than how a server of another major version writes an expression."""
        if (self.kind, self.identity) == _PUBLIC_OWNER:  # a dump says who that was where another one is usual
            return True
        if self.expected is None or self.found is None or self.kind not in _WITH_EXPRESSIONS:
            return False
        if self.kind not in (Kind.COLUMN, Kind.DOMAIN):
            return True
        before, after = (_EXPRESSION.split(text, maxsplit=1) for text in (self.expected, self.found))
        return len(before) == len(after) == 2 and before[0] == after[0]

    @property
    def reason(self) -> str | None:
        """Why it is a note; None where it is a finding."""
        if self.is_respelled:
            return "same after reparse"
        return self.kind.value if self.kind.is_note else None

    @property
    def lines(self) -> Iterator[str]:
        """The definitions as a unified diff, without its heading: each line begins with ` `, `-` or `+`."""
        before, after = ((text or "").splitlines() for text in (self.expected, self.found))
        size = len(before) + len(after)
        for number, line in enumerate(unified_diff(before, after, n=size, lineterm="")):
            if number > 2:  # the names of both files, and the one range
                yield line


def differences(expected: SchemaSnapshot, found: SchemaSnapshot) -> list[Difference]:
    """Return what differs, in order of kind and identity.

    What only follows from the servers' major versions is left out.
    """
    before, after = (_comparable(one, other) for one, other in ((expected, found), (found, expected)))
    is_same = str.__eq__ if expected.major == found.major else _same_but_for_quotes
    kinds = {kind: number for number, kind in enumerate(Kind)}
    changed: list[Difference] = []
    for key in before.keys() | after.keys():
        name, wanted = before.get(key) or (after[key][0], None)
        _, there = after.get(key) or (name, None)
        if wanted is None or there is None or not is_same(wanted, there):
            changed.append(Difference(key[0], name, wanted, there))
    return sorted(changed, key=lambda one: (kinds[one.kind], one.identity))


def marked_respelled(found: Iterable[Difference]) -> list[Difference]:
    """Return differences, those marked as respelled that a dump of the schema and its restoration make."""
    return [
        replace(one, is_respelled=True)
        if one.kind in _DEPARSED
        and one.expected is not None
        and one.found is not None
        and at_elements(one.expected) == at_elements(one.found)
        else one
        for one in found
    ]


def _comparable(one: SchemaSnapshot, other: SchemaSnapshot) -> Mapping[Key, tuple[str, str]]:
    """Return the objects of a snapshot without what the server of the other one does not know, as name and definition.

    Where the versions differ, the keys hold no quotes that only one of the servers needs.
    """
    if one.major == other.major:
        return {(kind, name): (name, text) for (kind, name), text in one.objects.items()}
    older, newer = sorted((one.major, other.major))
    objects: dict[Key, tuple[str, str]] = {}
    for (kind, name), text in one.objects.items():
        known = _without_unknown(kind, text, older)
        if known is not None:
            objects[kind, _unquoted(name)] = name, known
    if older < _PUBLIC_SINCE <= newer and _PUBLIC_RIGHTS in one.objects.keys() | other.objects.keys():
        usual = "public: usage" if one.major >= _PUBLIC_SINCE else "public: create\npublic: usage"
        objects.setdefault(_PUBLIC_RIGHTS, (_PUBLIC_RIGHTS[1], usual))
    return objects


def _without_unknown(kind: Kind, text: str, major: int) -> str | None:
    """Return a definition without what a server of this major version does not know; None if nothing is left."""
    if major < _MAINTAIN_SINCE and kind in (Kind.PRIVILEGES, Kind.DEFAULT_PRIVILEGES):
        lines = [line for line in text.split("\n") if not line.partition(": ")[2].startswith("maintain")]
        return "\n".join(lines) or None
    if (kind is Kind.COLUMN and major < _NOT_NULL_SINCE) or (kind is Kind.DOMAIN and major < _DOMAIN_NOT_NULL_SINCE):
        return _NOT_NULL_NAME.sub(r"\1", text)
    if major < _MULTIRANGE_SINCE and kind is Kind.TYPE:
        return "\n".join(line for line in text.split("\n") if not line.startswith(("multirange ", "subscript ")))
    return text


def _same_but_for_quotes(one: str, other: str) -> bool:
    """Whether two definitions are the same but for the quotes of names that only one of the servers quotes."""
    return _unquoted(one) == _unquoted(other)


def _unquoted(text: str) -> str:
    """Return a text without the quotes of names that are keywords at most."""
    return _QUOTED.sub(lambda match: match["simple"] or match[0], text) if '"' in text else text
