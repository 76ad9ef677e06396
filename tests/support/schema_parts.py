"""A schema with an object of nearly every kind, under names of the worst sort, and every change of one property of it.

`Part(number)` draws the names; `make` builds the objects, and `mutations` yields what can be changed, one thing each,
with the identities that a snapshot then has to find different: those, and no others.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = Path(__file__).parent
_CHANGE = re.compile(r"^(\w.*?)(?: \[(\d+)\])?\n    (.*)\n    = (.*)\n(?:    pg_dump: (.*)\n)?", re.MULTILINE)

ROLE = "zmig_probe_role"
_KEYWORDS = {"select", "user", "order", "table", "default"}
_ODD = (
    "plain", "select", "order", "With Capitals", 'a "quoted" one', " ", "a.b", 'a"."b', "ünïcødé 名前 🐘", "it's",
    "back\\slash", "per%cent {brace}", "dollar$tag$", "two\nlines", "tab\there", "-- comment", "/* comment", "0digit",
    "x" * 57, "é" * 28,
)  # fmt: skip
"""Names, or their beginnings: quoted, empty-looking, of 63 bytes, with what separates names in an identity."""


def ident(name: str) -> str:
    """Return a name as PostgreSQL's `quote_ident` does."""
    if re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a string constant."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Mutation:
    """One change of a schema, and what of a snapshot it changes."""

    name: str
    sql: str
    expected: frozenset[str]
    """`kind identity` of each object that must be found different."""
    since: int = 13
    """The major version of PostgreSQL that has it."""
    unseen: str = ""
    """Why pg_dump does not show it; empty where it does."""


_IN_SCHEMA = """
    enum comp range dom seq seq2 t t2 p p1 pd parent child v v2 mv f f2 tf etf proc srf agg st opc opf coll conv
    tsc tsd ft ix ux gin hash pix mvix bare new
"""
_INSIDE = """
    id c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 c11 id2 ref n at pa pb pc x y comp_b fc pk chk uq ex pk2 fk ppk pchk
    dom_check trg ptrg ctrg rule pol added attribute
"""
_GLOBAL = ("s", "pub", "fdw", "srv", "evt", "lang", "new_schema")


class Part:
    """One schema, and what belongs to it outside of schemas."""

    def __init__(self, number: int, seed: int = 0) -> None:
        """Draw names; parts of different numbers have no name in common."""
        chance = random.Random(f"{seed} {number}")
        self.number = number
        self.names: dict[str, str] = {"role": ROLE, "label": literal(chance.choice(_ODD))}
        for key in (*_GLOBAL, *_IN_SCHEMA.split(), *_INSIDE.split()):
            self.names[key] = ident(self._draw(chance, key))
        for key in _IN_SCHEMA.split():
            self.names[f"_{key}"] = self.names[key]  # without its schema
            self.names[key] = f"{self.names['s']}.{self.names[key]}"
        self.names |= {f"'{key}'": literal(self.names[key]) for key in ("seq2", "ix", "t")}

    def _draw(self, chance: random.Random, key: str) -> str:
        """Return a name that no other one of any part is equal to."""
        name = f"{chance.choice(_ODD)}{key}{self.number}"
        while len(name.encode()) > 63:
            name = name[1:]
        return name

    @property
    def make(self) -> str:
        """The SQL that builds it."""
        return (_FOLDER / "schema_parts.sql").read_text(encoding="utf-8").format_map(self.names)

    @property
    def mutations(self) -> Iterator[Mutation]:
        """Everything that can be changed in it, one property each."""
        text = (_FOLDER / "schema_changes.txt").read_text(encoding="utf-8")
        for name, since, statements, changed, unseen in _CHANGE.findall(text):
            expected = frozenset(one.strip().format_map(self.names) for one in changed.split("|"))
            sql = statements.format_map(self.names)
            yield Mutation(f"{self.number}: {name}", sql, expected, int(since or 13), unseen)
