"""Checks of what undoes a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind, tokens
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.sql_file import FileStatement, SqlFile
    from zmig.sql.command_parser import Object

_SHARED = frozenset({"extension", "schema", "role", "user", "group"})
"""What several migrations, and other programs, rely on."""


def missing(entry: Entry) -> Iterator[Remark]:
    """Migrations that make something, and could therefore be undone, but have no rollback."""
    if entry.sql is None or entry.declaration.rollback is not None or entry.has_code_rollback or entry.is_repeatable:
        return
    if entry.declaration.replaces is not None:
        return  # what undoes it would undo everything
    if created := _created(entry.sql):
        rollback = f"{entry.declaration.text('file').rpartition('.')[0]}.rollback.sql"
        yield entry.remark(
            "rollback/missing",
            "file",
            f"`{entry.name}` makes {called(created[0][1])} and has no rollback file",
            f"write a rollback file, and name it: `rollback: {rollback}`",
        )


def incomplete(entry: Entry) -> Iterator[Remark]:
    """Things that a migration makes and its rollback does not mention."""
    if entry.sql is None or entry.rollback is None or entry.rollback.problems:
        return
    for statement, created in forgotten(entry.sql, entry.rollback):
        yield entry.sql.remark(
            "rollback/incomplete",
            statement,
            f"the rollback does not mention {called(created)}, which this statement makes",
            f"undo it in `{entry.rollback.path}`",
        )


def forgotten(file: SqlFile, rollback: SqlFile) -> Iterator[tuple[FileStatement, Object]]:
    """Yield what a file makes and a rollback does not mention, each with the statement that makes it."""
    for statement in rollback.statements:
        # What code does cannot be read here, and DROP OWNED names nothing.
        drops_owned = statement.verb == "drop" and statement.parsed.kind == "owned"
        if drops_owned or statement.verb in ("call", "do", "select"):
            return
    mentioned = frozenset(name for statement in rollback.statements for name in _words(statement.text))
    dropped = {name.name for one in rollback.statements if one.verb == "drop" for name in one.parsed.changes}
    for statement, created in _created(file):
        if not _is_covered(created, mentioned, dropped):
            yield statement, created


def _created(file: SqlFile) -> list[tuple[FileStatement, Object]]:
    """Return what a file makes and does not remove again; what may be older than it is none of its own."""
    created: list[tuple[FileStatement, Object]] = []
    for statement in file.statements:
        parsed = statement.parsed
        if statement.verb == "drop":
            created = [(origin, made) for origin, made in created if made.name not in parsed.changes]
        elif parsed.renames is not None:
            created = [(origin, made) for origin, made in created if made.name != parsed.renames[0]]
        elif not parsed.replaces:
            created += (
                (statement, made) for made in parsed.creates if not (parsed.is_guarded and made.kind in _SHARED)
            )
    return created


def _words(text: str) -> Iterator[str]:
    for token in tokens(text):
        if token.kind is Kind.WORD:
            yield token.text
        elif token.kind is Kind.QUOTED:
            yield Reader(token.text).identifier() or ""


def _is_covered(created: Object, mentioned: Collection[str], dropped: Collection[str]) -> bool:
    """Whether a rollback undoes a thing, by its name or with what it is part of."""
    name, parent = created.name, created.parent
    if name.name in mentioned or (parent is not None and parent.name in dropped):
        return True
    if parent is not None and created.kind != "column" and parent.name in mentioned:
        return True  # it may go with a column
    return name.schema is not None and name.schema in dropped and "cascade" in mentioned


def called(created: Object) -> str:
    """Return what findings call a thing."""
    if created.kind in ("column", "constraint") and created.parent is not None:
        return f"the {created.kind} `{created.parent.name}.{created.name.name}`"
    return f"the {created.kind} `{created.name.name}`"
