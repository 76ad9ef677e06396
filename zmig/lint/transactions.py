"""Checks of how an SQL file runs: in one transaction, or statement by statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql import script
from zmig.sql.catalog_effect import AddEnumValue, Unknown
from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.sql_file import Act, SqlFile


def refused(entry: Entry) -> Iterator[Remark]:
    """Statements that the server refuses inside the transaction that the entry asks for, or that the file begins."""
    for file, is_transactional in entry.sql_files:
        if not is_transactional:
            yield from _refused_in_own(file)
    if entry.sql is None or not entry.is_transactional:
        return
    for act in entry.sql.acts:
        if command := act.command.refuses_transaction:
            yield Remark(
                "transaction/refused",
                f"`{command}` cannot run inside a transaction, but the entry says `transaction: true`",
                "remove `transaction: true` from the entry, or give the statement an entry of its own",
                entry.sql.source,
                act.start,
                act.end,
            )


def _refused_in_own(file: SqlFile) -> Iterator[Remark]:
    begin: Act | None = None
    for act in file.acts:
        if (command := act.command.refuses_transaction) and begin is not None:
            yield Remark(
                "transaction/refused",
                f"`{command}` cannot run inside a transaction, but one was begun in line {begin.statement.line}",
                "move it in front of the `begin`, or after the `commit`",
                file.source,
                act.start,
                act.end,
            )
        if act.command.controls_transaction:
            begin = act if act.verb in ("begin", "start") else None


def control(entry: Entry) -> Iterator[Remark]:
    """Transaction control in files that run in one transaction of zmig's."""
    for file, is_transactional in entry.sql_files:
        for act in file.acts if is_transactional else ():
            command = act.command.controls_transaction
            if command and not script.surrounds_large_objects(file.text, act.statement):
                yield Remark(
                    "transaction/control",
                    f"`{command}` is in a file that zmig runs in one transaction of its own",
                    "remove the statement: zmig begins the transaction, and commits it together with its own record",
                    file.source,
                    act.start,
                    act.end,
                )


def enum_value(entry: Entry) -> Iterator[Remark]:
    """Enum values that are used in the transaction that adds them to a type that existed before."""
    for file, is_transactional in entry.sql_files:
        if is_transactional:
            yield from _enum_values(file)


def _enum_values(file: SqlFile) -> Iterator[Remark]:
    added: dict[str, int] = {}
    made = {thing.name.name for act in file.acts for thing in act.parsed.creates if thing.kind == "type"}
    for act in file.acts:
        if act.verb == "alter" and isinstance(found := act.command.effect, AddEnumValue):
            if found.type.name not in made:
                added[f"'{found.value.replace(chr(39), chr(39) * 2)}'"] = act.statement.line
        elif added and act.verb != "comment":
            yield from _uses(file, act, added)


def _uses(file: SqlFile, act: Act, added: dict[str, int]) -> Iterator[Remark]:
    for token in tokens(act.statement.text):
        if token.kind is Kind.STRING and token.text in added:
            yield Remark(
                "transaction/enum-value",
                f"the enum value {token.text}, added in line {added[token.text]}, is used in the same transaction",
                "use the value in a later migration: PostgreSQL lets nobody see it before it is committed",
                file.source,
                act.start + token.start,
                act.start + token.end,
            )


_SESSION = frozenset({"set", "reset", "show", "select"})
_HARMLESS = _SESSION | frozenset({"comment", "grant", "revoke", "analyze", "do", "call"})


def mixed(entry: Entry) -> Iterator[Remark]:
    """Changes in front of a statement that keeps the whole file out of a transaction."""
    file = entry.sql
    if file is None or entry.is_transactional or any(act.command.controls_transaction for act in file.acts):
        return
    last = next((act for act in reversed(file.acts) if act.command.refuses_transaction), None)
    for act in file.acts if last else ():
        if act is last:
            return
        if _is_change(act):
            assert last is not None
            yield Remark(
                "transaction/mixed",
                f"this change stays applied if `{last.command.refuses_transaction}` in line {last.statement.line} "
                "fails: because of that statement the file does not run in one transaction",
                "give the two an entry each",
                file.source,
                act.start,
                act.end,
            )


def _is_change(act: Act) -> bool:
    return not (act.command.refuses_transaction or act.parsed.is_guarded or act.verb in _HARMLESS)


def undecidable(entry: Entry) -> Iterator[Remark]:
    """Statements whose effect cannot be seen in the catalog after an interruption, with others after them."""
    file = entry.sql
    if file is None or entry.is_transactional:
        return
    last = next((act.start for act in reversed(file.acts) if act.verb not in _SESSION), 0)
    for act in file.acts:
        is_alone = act.command.refuses_transaction is not None or act.command.may_commit
        if is_alone and act.start < last and isinstance(act.command.effect, Unknown):
            yield Remark(
                "transaction/undecidable",
                "if the connection breaks during this statement, zmig cannot tell whether it took effect, and the "
                "statements after it wait for a person's decision",
                "give the statement an entry of its own",
                file.source,
                act.start,
                act.end,
            )


_LASTS_A_TRANSACTION = re.compile(
    r"set\s+(?:local|transaction|constraints)\b|lock\b|savepoint\b|declare\b(?![\s\S]*\bwith\s+hold\b)", re.IGNORECASE
)


def needed(entry: Entry) -> Iterator[Remark]:
    """Statements that mean nothing without the transaction that they are not in."""
    if entry.sql is None or entry.is_transactional or entry.declaration.batch is not None:
        return
    is_open = False
    for act in entry.sql.acts:
        if act.command.controls_transaction:
            is_open = act.verb in ("begin", "start")
        elif not is_open and (found := _LASTS_A_TRANSACTION.match(act.statement.text)):
            yield Remark(
                "transaction/needed",
                f"`{' '.join(found[0].upper().split())}` lasts until its transaction ends, which is at once: zmig runs "
                "this file statement by statement",
                "write `begin;` before it and `commit;` after what it is for, or move both to an entry of their own",
                entry.sql.source,
                act.start,
                act.end,
            )
