"""Checks of how an SQL file runs: in one transaction, or statement by statement."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql import script
from zmig.sql.catalog_effect import AddEnumValue, Unknown
from zmig.sql.lexer import Kind, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.sql_file import FileStatement, SqlFile


def refused(entry: Entry) -> Iterator[Remark]:
    """Statements that the server refuses inside the transaction that the entry asks for, or that the file begins."""
    for file, is_transactional in entry.sql_files:
        if not is_transactional:
            yield from _refused_in_own(file)
    yield from _refused_inside(entry)
    if entry.sql is None or not entry.is_transactional:
        return
    for statement in entry.sql.statements:
        if command := statement.command.refuses_transaction:
            yield entry.sql.remark(
                "transaction/refused",
                statement,
                f"`{command}` cannot run inside a transaction, but the entry says `transaction: true`",
                "remove `transaction: true` from the entry, or give the statement an entry of its own",
            )


def _refused_in_own(file: SqlFile) -> Iterator[Remark]:
    """Yield what is refused inside of a transaction that the file itself begins."""
    begin: FileStatement | None = None
    for statement in file.statements:
        if (command := statement.command.refuses_transaction) and begin is not None:
            yield file.remark(
                "transaction/refused",
                statement,
                f"`{command}` cannot run inside a transaction, but one was begun in line {begin.line}",
                "move it in front of the `begin`, or after the `commit`",
            )
        if statement.command.controls_transaction:
            begin = statement if statement.verb in ("begin", "start") else None


def _refused_inside(entry: Entry) -> Iterator[Remark]:
    """Yield what is refused within a function or a DO block, which always runs in a transaction."""
    for file, inside in ((entry.sql, entry.inside), (entry.rollback, entry.rollback_inside)):
        for statement in inside.file.statements if file is not None and inside is not None else ():
            if inside is not None and (command := statement.command.refuses_transaction):
                yield inside.file.remark(
                    "transaction/refused",
                    statement,
                    f"`{command}` cannot run inside of code, which is always in a transaction",
                    "write it as a statement of its own, in an entry of its own",
                )


def control(entry: Entry) -> Iterator[Remark]:
    """Transaction control in files that run in one transaction of zmig's."""
    for file, is_transactional in entry.sql_files:
        for statement in file.statements if is_transactional else ():
            command = statement.command.controls_transaction
            if command and not script.surrounds_large_objects(file.text, statement.raw):
                yield file.remark(
                    "transaction/control",
                    statement,
                    f"`{command}` is in a file that zmig runs in one transaction of its own",
                    "remove the statement: zmig begins the transaction, and commits it together with its own record",
                )


_ALTERS_TYPE = re.compile(r"alter\s+type\b", re.IGNORECASE)
"""What names a value without using it: to add or rename one, of this type or another."""


_VALUE = re.compile("value", re.IGNORECASE)


def enum_value(entry: Entry) -> Iterator[Remark]:
    """Enum values that are used in the transaction that adds them to a type that existed before."""
    for file, is_transactional in entry.sql_files:
        if not is_transactional:
            continue
        added: dict[str, int] = {}
        types: set[str] | None = None
        for statement in file.statements:
            # What the others alter is not even read: of rollbacks, no other check asks for it.
            is_candidate = statement.verb == "alter" and _VALUE.search(statement.text) is not None
            if is_candidate and isinstance(effect := statement.command.effect, AddEnumValue):
                types = types if types is not None else _types_made(file)
                if effect.type.name not in types:
                    value = effect.value.replace("'", "''")
                    added[f"'{value}'"] = statement.line
            elif added and statement.verb != "comment" and _ALTERS_TYPE.match(statement.text) is None:
                yield from _uses(file, statement, added)


def _types_made(file: SqlFile) -> set[str]:
    return {made.name.name for one in file.statements for made in one.parsed.creates if made.kind == "type"}


def _uses(file: SqlFile, statement: FileStatement, added: dict[str, int]) -> Iterator[Remark]:
    for token in tokens(statement.text):
        if token.kind is Kind.STRING and token.text in added:
            yield Remark(
                "transaction/enum-value",
                f"the enum value {token.text}, added in line {added[token.text]}, is used in the same transaction",
                "use the value in a later migration: PostgreSQL lets nobody see it before it is committed",
                file.source,
                start=statement.start + token.start,
                end=statement.start + token.end,
            )


_SESSION = frozenset({"set", "reset", "show", "select"})
_HARMLESS = _SESSION | frozenset({"comment", "grant", "revoke", "analyze", "do", "call"})


def mixed(entry: Entry) -> Iterator[Remark]:
    """Changes in front of a statement that keeps the whole file out of a transaction."""
    file = entry.sql
    if file is None or entry.is_transactional or any(one.command.controls_transaction for one in file.statements):
        return
    last = next((one for one in reversed(file.statements) if one.command.refuses_transaction), None)
    if last is None:
        return
    for statement in takewhile(lambda one: one is not last, file.statements):
        is_alone = statement.command.refuses_transaction is not None
        if not (is_alone or statement.parsed.is_guarded or statement.verb in _HARMLESS):
            yield file.remark(
                "transaction/mixed",
                statement,
                f"this change stays applied if `{last.command.refuses_transaction}` in line {last.line} "
                "fails: because of that statement the file does not run in one transaction",
                "give the two an entry each",
            )


def undecidable(entry: Entry) -> Iterator[Remark]:
    """Statements whose effect cannot be seen in the catalog after an interruption, with others after them."""
    file = entry.sql
    if file is None or entry.is_transactional:
        return
    last = next((one.start for one in reversed(file.statements) if one.verb not in _SESSION), 0)
    for statement in file.statements:
        is_alone = statement.command.refuses_transaction is not None or statement.command.may_commit
        if is_alone and statement.start < last and isinstance(statement.command.effect, Unknown):
            yield file.remark(
                "transaction/undecidable",
                statement,
                "if the connection breaks during this statement, zmig cannot tell whether it took effect, and the "
                "statements after it wait for a person's decision",
                "give the statement an entry of its own",
            )


_LASTS_A_TRANSACTION = re.compile(
    # A cursor that is declared WITH HOLD outlives its transaction.
    r"set\s+(?:local|transaction|constraints)\b|lock\b|savepoint\b|declare\b(?![\s\S]*\bwith\s+hold\b)",
    re.IGNORECASE,
)


def needed(entry: Entry) -> Iterator[Remark]:
    """Statements that mean nothing without the transaction that they are not in."""
    if entry.sql is None or entry.is_transactional or entry.declaration.batch is not None:
        return
    is_open = False
    for statement in entry.sql.statements:
        if statement.command.controls_transaction:
            is_open = statement.verb in ("begin", "start")
        elif not is_open and (lasting := _LASTS_A_TRANSACTION.match(statement.text)):
            yield entry.sql.remark(
                "transaction/needed",
                statement,
                f"`{' '.join(lasting[0].upper().split())}` lasts until its transaction ends, which is at once: zmig "
                "runs this file statement by statement",
                "write `begin;` before it and `commit;` after what it is for, or move both to an entry of their own",
            )
