"""Where squawk reports every form of a statement and only some forms do harm: what the others are.

Switching row security off opens a table, switching it on closes it; squawk has one rule for both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.sql.lexer import tokens
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zmig.lint.sql_file import FileStatement

_HARMFUL = {
    "squawk/ban-alter-generated-expression": ("set expression",),
    "squawk/ban-alter-role-options": ("superuser", "createrole", "bypassrls", "replication"),
    "squawk/ban-alter-row-level-security": ("disable row level security", "no force row level security"),
    "squawk/ban-alter-sequence-values": ("restart", "cycle"),
    "squawk/ban-disable-trigger": ("disable trigger", "disable rule"),
    "squawk/ban-drop-schema": ("cascade",),
    "squawk/ban-replica-identity": ("replica identity nothing",),
}
"""The words of the forms that do harm."""
_DROPS = frozenset({"squawk/ban-drop-policy", "squawk/ban-drop-trigger"})


class _OnTable(NamedTuple):
    """A policy, rule or trigger, which has its name on a table."""

    kind: str
    name: str
    table: str
    """Its name alone: within a file nobody drops one of a name in a schema to make it in another."""


def is_harmful(rule: str, statement: FileStatement, later: Iterable[FileStatement]) -> bool:
    """Whether a statement that squawk has reported is of a form that does harm; `later` are those after it."""
    if (forms := _HARMFUL.get(rule)) is not None:
        said = f" {_words(statement)} "
        return any(f" {form} " in said for form in forms)
    if rule == "squawk/ban-revoke":
        return not (_is_from_public_only(statement) or keeps_owner(statement))
    if rule in _DROPS and (dropped := _on_table(statement, "drop")) is not None:
        return all(_on_table(one, "create") != dropped for one in later)
    return True


def _words(statement: FileStatement) -> str:
    """Return a statement with one blank between its words."""
    return " ".join(token.text for token in tokens(statement.text))


_OWNER = re.compile(r'\bowner\s+to\s+(?:"([^"]+)"|(\w+))', re.IGNORECASE)
_OWN = frozenset({"current_role", "current_user", "session_user"})
"""Who runs the migration, and owns what migrations have made, as a rule."""


def new_owner(statement: FileStatement) -> str | None:
    """Return the role that a statement gives something to; None where it gives nothing to another one."""
    found = _OWNER.search(statement.text) if statement.verb == "alter" else None
    if found is None:
        return None
    return found[1] or found[2].lower()


def keeps_owner(statement: FileStatement) -> bool:
    """Whether a statement gives something to whoever runs it."""
    found = _OWNER.search(statement.text) if statement.verb == "alter" else None
    return found is not None and found[1] is None and found[2].lower() in _OWN


def _is_from_public_only(statement: FileStatement) -> bool:
    """Whether a right is only taken from everybody, which is how a right for some begins."""
    before, _, after = _words(statement).rpartition(" from ")
    return bool(before) and after.partition(" ")[0] == "public" and "," not in after


def _on_table(statement: FileStatement, verb: str) -> _OnTable | None:
    """Return the policy, rule or trigger that a statement drops or creates."""
    reader = Reader(statement.text)
    if not reader.accept(verb):
        return None
    reader.accept("or", "replace")
    reader.accept("constraint")
    kind = reader.accept_any("policy", "rule", "trigger")
    if kind is None:
        return None
    reader.accept("if", "exists")
    name = reader.identifier()
    # The events of a trigger are before its table, and the table of a rule is after TO.
    reader.skip_to("to" if kind == "rule" and verb == "create" else "on")
    reader.take()
    table = reader.name()
    return None if name is None or table is None else _OnTable(kind, name, table.name)
