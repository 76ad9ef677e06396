"""Which migration made or last changed an object, by what runs recorded and what their files say. Pure.

A run records which objects were others after it than before. Where it ran several migrations, the statements of their
files say more: the last one that defines the object by its name, else whichever names it at all. What nothing narrows
down is said as it is: one of these.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from zmig.catalog.objects import Kind
from zmig.sql import lexer
from zmig.sql.token_reader import Reader
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from dataclasses import KW_ONLY
    from datetime import datetime

    from zmig.catalog.objects import Key


class By(StrEnum):
    """Who changed what a fact says has changed."""

    RUN = "run"
    OTHERS = "others"
    """Not zmig: it was found changed when the next run began."""
    OPERATOR = "operator"
    """Not zmig: an operator had it recorded as it was."""


@valueclass
class Step:
    """A migration that was applied or rolled back, with the text of its file."""

    name: str
    is_rollback: bool
    text: str | None
    """None where it is not known any more."""
    is_sql: bool = True

    @property
    def shown(self) -> str:
        """How it is named to people."""
        return f"the rollback of {self.name}" if self.is_rollback else self.name


@valueclass
class Observed:
    """What one fact says of the schema's changes."""

    _: KW_ONLY
    by: By
    at: datetime
    run_id: str | None
    changed: Collection[Key]
    """The objects that were made or changed, or are gone, since the fact before it."""
    steps: Sequence[Step]
    """What was run in between, in order."""
    is_first: bool = False
    """Whether nothing was recorded before, so that objects which no file names may be older."""
    is_anew: bool = False
    """Whether all objects were recorded anew, so that only the files say which of them were changed."""
    reason: str | None = None
    """An operator's."""


@valueclass
class Attribution:
    """Who made an object, or changed it last."""

    by: By | None
    """None where that was before zmig recorded anything."""
    migrations: tuple[str, ...] = ()
    """One of these; all that were run, where nothing distinguishes them."""
    at: datetime | None = None
    run_id: str | None = None
    reason: str | None = None

    @property
    def sentence(self) -> str:
        """What it says, for people."""
        when = f" at {self.at:%Y-%m-%d %H:%M} UTC" if self.at is not None else ""
        match self.by:
            case None:
                return "made before zmig recorded the schema"
            case By.OTHERS:
                return f"last changed by others than zmig: found so{when}, when a run began"
            case By.OPERATOR:
                return f"last changed by others than zmig: recorded so{when}: {self.reason}"
            case By.RUN:
                names = ", ".join(self.migrations)
                one = names if len(self.migrations) == 1 else f"one of {names}"
                return f"made or last changed by {one}{when}"


def attribute(key: Key, observed: Sequence[Observed], definition: str = "") -> Attribution:
    """Return who made or last changed an object, by all facts about the schema, oldest first."""
    searched = _searched(key, definition)
    for one in reversed(observed):
        if key not in one.changed:
            continue
        steps = _most_likely(searched, one.steps) if one.by is By.RUN else []
        if one.is_anew and (not steps or _weight(searched, steps[0]) < _NAMES_RELATION):
            continue
        if one.by is not By.RUN:
            return Attribution(one.by, (), one.at, one.run_id, one.reason)
        if not steps or (one.is_first and _weight(searched, steps[0]) < _NAMES_RELATION):
            return Attribution(None)
        return Attribution(By.RUN, tuple(dict.fromkeys(step.shown for step in steps)), one.at, one.run_id)
    return Attribution(None)


_DEFINES, _NAMES, _NAMES_RELATION, _MENTIONS, _UNKNOWN, _NOT = 5, 4, 3, 2, 1, 0


@valueclass
class _Searched:
    """What files are searched for."""

    kind: Kind
    own: str
    """The name of the object."""
    relation: str | None = None
    """That of the relation it belongs to."""
    schema: str | None = None
    subject: Kind | None = None
    """What it is said of, if it is a comment, an owner or rights."""


def _most_likely(searched: _Searched, steps: Sequence[Step]) -> list[Step]:
    """Return the steps that are most likely to have changed an object: the last one that defines it, or several."""
    if len(steps) < 2:
        return list(steps)
    weights = [_weight(searched, step) for step in steps]
    heaviest = max(weights)
    likely = [step for step, weight in zip(steps, weights, strict=True) if weight == heaviest]
    return likely[-1:] if heaviest == _DEFINES else likely


def _weight(searched: _Searched, step: Step) -> int:
    if step.text is None:
        return _UNKNOWN
    own, relation = searched.own, searched.relation
    is_mentioned = _mentions(step.text, own) or (relation is not None and _mentions(step.text, relation))
    heaviest = _MENTIONS if is_mentioned else _NOT
    if not step.is_sql:
        return heaviest
    for head, others in _definitions(step.text):
        heaviest = max(heaviest, _weight_of(searched, head, others))
    return heaviest


def _weight_of(searched: _Searched, head: set[str], others: set[str]) -> int:
    """Return how likely it is that a statement defines an object, by the names at its beginning, and those after."""
    own, relation = searched.own, searched.relation
    if (head & _SAID) - _SAYING.get(searched.kind, frozenset()):
        return _NOT
    if _is_in_another_schema(searched, head):
        return _MENTIONS
    kind = searched.subject or searched.kind
    if not head & _SAID and not (head & _MADE) <= _WORDS.get(kind, frozenset()):
        # It makes something else, on the object or out of it.
        return _MENTIONS if {own, relation} & (head | others) else _NOT
    if searched.subject is not None and not _says_it(searched, head):
        return _NAMES if own in head | others else _NOT
    if searched.kind is Kind.PRIVILEGES and relation is not None and {own, relation} <= head | others:
        return _DEFINES
    if own in head and (relation is None or relation in head or relation in others):
        return _DEFINES
    if relation is not None and relation in head:
        if own in others:
            return _DEFINES
        # The server makes up names for what is given none.
        return _NAMES if searched.kind is Kind.INDEX and "index" in head else _NAMES_RELATION
    return _NAMES if own in others else _NOT


def _is_in_another_schema(searched: _Searched, head: set[str]) -> bool:
    """Whether a statement is about something in other schemas, which may have the same name."""
    said = {word[:-1] for word in head if word.endswith(_OF)}
    return searched.schema is not None and bool(said) and not said & {searched.schema, searched.relation, searched.own}


def _says_it(searched: _Searched, head: set[str]) -> bool:
    """Whether a statement is one that gives an object its comment, its rights or its owner."""
    if searched.kind is Kind.OWNER:
        return "owner" in head or ("create" in head and "replace" not in head)
    if searched.kind is Kind.PRIVILEGES:
        return bool(head & _SAYING[Kind.PRIVILEGES])
    return "comment" in head and bool(head & _WORDS_OF_PARTS) == (searched.relation is not None)


_SAID = frozenset({"comment", "grant", "revoke"})
_SAYING = {Kind.COMMENT: frozenset({"comment"}), Kind.PRIVILEGES: frozenset({"grant", "revoke"})}
"""Statements that say something of an object, and change nothing else of it."""
_MADE = frozenset({"function", "index", "policy", "procedure", "rule", "statistics", "trigger", "view"})
"""What is made on a relation, or out of it."""
_WORDS = {
    Kind.ROUTINE: frozenset({"function", "procedure"}),
    **{kind: frozenset(kind.value.split()) for kind in Kind if kind is not Kind.ROUTINE},
}
"""Those that a statement says which defines an object of a kind."""
_PARTS = frozenset({Kind.COLUMN, Kind.CONSTRAINT, Kind.TRIGGER, Kind.RULE, Kind.POLICY})
"""What belongs to a relation, and has a name of its own in it."""
_OF_OTHERS = frozenset({Kind.COMMENT, Kind.OWNER, Kind.PRIVILEGES})
"""What is said of another object, whose kind comes first."""
_WORDS_OF_PARTS = frozenset(kind.value for kind in _PARTS)
_WORDS_OF_KINDS = frozenset(word for kind in Kind for word in kind.value.split())
_NAME = re.compile(r'"(?:[^"]|"")*"|[^\s."(),]+')


def _searched(key: Key, definition: str) -> _Searched:
    """Return what files are searched for: an object's own name, and that of the relation it belongs to."""
    kind, identity = key
    subject = None
    if kind in _OF_OTHERS:
        words = identity.split(" ")
        while len(words) > 1 and words[0] in _WORDS_OF_KINDS:
            subject = Kind.COLUMN if words[0] in _PARTS else subject
            del words[0]
        subject = subject or max(
            (one for one in Kind if identity.startswith(f"{one.value} ")), key=lambda one: len(one.value), default=kind
        )
        identity = " ".join(words)
    parts = _parts(identity.partition("(")[0]) or [identity]
    schema = parts[0] if len(parts) > 1 else None
    if kind is Kind.INDEX:
        table = _parts(definition.partition(" ON ")[2].removeprefix("ONLY ").partition(" USING ")[0])
        return _Searched(kind, parts[-1], table[-1] if table else None, schema)
    relation = parts[-2] if (subject or kind) in _PARTS and len(parts) > 1 else None
    return _Searched(kind, parts[-1], relation, schema, subject)


def _parts(path: str) -> list[str]:
    """Return the names in a qualified one, without their quotes."""
    found = _NAME.findall(path)
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in found]


_VERBS = frozenset({"create", "alter", "drop", "comment", "grant", "revoke", "reindex", "cluster", "security"})
_HEAD_ENDS = frozenset({"(", "as", "add", "rename", "set", "using", "with", "is", "to", "for", "execute", "references"})


@lru_cache(maxsize=4096)
def _definitions(text: str) -> tuple[tuple[set[str], set[str]], ...]:
    """Return, for each statement that defines something, the names at its beginning, and those after that."""
    found: list[tuple[set[str], set[str]]] = []
    for statement in _statements(text):
        head: set[str] = set()
        others: set[str] = set()
        names = head
        for word, is_end in statement:
            names = others if is_end else names
            names.add(word)
        found.append((head, others))
    return tuple(found)


_OF = "."
"""At the end of a name: that it says where the next one is."""
_CHECKED = frozenset({"constraint", "check", "unique", "foreign", "exclude"})
"""After ADD: what is added uses the columns in its parentheses, and changes nothing of them."""


class _Words:
    """The names in one statement, as they come, each with whether the head of the statement ends there."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool]] = []
        self._depth = 0
        self._is_checked = False
        self._before = ""

    def add_name(self, name: str) -> None:
        """Take a name or a keyword."""
        begins = self._before == "add" and name in _CHECKED
        self._is_checked = (self._is_checked or begins) and name != "primary"
        if not (self._is_checked and self._depth > 0):
            self.found.append((name, name in _HEAD_ENDS))
        self._before = name

    def add_other(self, text: str) -> None:
        """Take what is no name."""
        self._depth += {"(": 1, ")": -1}.get(text, 0)
        if text == "," and self._depth == 0:
            self._is_checked = False
        elif text == "(":
            self.found.append(("(", True))
        elif text == "." and self._before:
            self.found.append((f"{self._before}{_OF}", False))
        self._before = ""


def _statements(text: str) -> Iterator[list[tuple[str, bool]]]:
    """Yield the names in each statement that defines something."""
    reader, words, is_wanted, is_new = Reader(text), _Words(), False, True
    try:
        while (token := reader.peek()) is not None:
            if is_new:
                words, is_wanted, is_new = _Words(), token.text in _VERBS, False
            name = reader.identifier()
            if name is None:
                reader.take()
                words.add_other(token.text)
                is_new = token.text == ";"
            elif is_wanted:
                words.add_name(name)
            if is_new and is_wanted and words.found:
                yield words.found
    except lexer.UnterminatedError:
        pass
    if is_wanted and not is_new and words.found:
        yield words.found


def _mentions(text: str, name: str) -> bool:
    """Whether a name is somewhere in a text, be it in a string."""
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None
