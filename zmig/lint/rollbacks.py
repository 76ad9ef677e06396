"""Checks of what undoes a migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.sql.lexer import Kind, tokens
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zmig.lint.entry import Entry
    from zmig.lint.sql_file import Act, SqlFile
    from zmig.sql.command_parser import Object


_SHARED = frozenset({"extension", "schema", "role", "user", "group"})
"""What several migrations, and other programs, rely on."""


def missing(entry: Entry) -> Iterator[Remark]:
    """Migrations that make something, and could therefore be undone, but have no rollback."""
    if entry.declaration.rollback is not None or entry.has_code_rollback or entry.is_repeatable:
        return
    made = _made(entry.sql) if entry.sql else []
    if not made:
        return
    start, end = entry.span("file")
    yield Remark(
        "rollback/missing",
        f"`{entry.name}` makes {called(made[0][1])} and has no rollback file",
        f"write a rollback file, and name it: `rollback: {_rollback_name(entry.declaration.text('file'))}`",
        entry.manifest,
        start,
        end,
    )


def incomplete(entry: Entry) -> Iterator[Remark]:
    """Things that a migration makes and its rollback does not mention."""
    if entry.sql is None or entry.rollback is None or entry.rollback.problems:
        return
    for act, made in forgotten(entry.sql, entry.rollback):
        yield Remark(
            "rollback/incomplete",
            f"the rollback does not mention {called(made)}, which this statement makes",
            f"undo it in `{entry.rollback.path}`",
            entry.sql.source,
            act.start,
            act.end,
        )


def forgotten(file: SqlFile, rollback: SqlFile) -> Iterator[tuple[Act, Object]]:
    """Yield what a file makes and a rollback does not mention, each with the statement that makes it."""
    if _is_dynamic(rollback):
        return
    mentioned = _words(rollback)
    dropped = {name.name for act in rollback.acts if act.verb == "drop" for name in act.parsed.changes}
    for act, made in _made(file):
        if not _is_covered(made, mentioned, dropped):
            yield act, made


def _made(file: SqlFile) -> list[tuple[Act, Object]]:
    """Return what a file makes and does not remove again."""
    found: list[tuple[Act, Object]] = []
    for act in file.acts:
        if act.verb == "drop":
            found = [(one, made) for one, made in found if made.name not in act.parsed.changes]
        elif act.parsed.renames is not None:
            found = [(one, made) for one, made in found if made.name != act.parsed.renames[0]]
        else:
            found += ((act, made) for made in act.parsed.creates if not _may_have_been_there(act, made))
    return found


def _may_have_been_there(act: Act, made: Object) -> bool:
    """Whether the thing may be older than the migration, so that a rollback must leave it alone."""
    if act.parsed.is_guarded and made.kind in _SHARED:
        return True
    return act.parsed.replaces


def _words(file: SqlFile) -> frozenset[str]:
    """Return every word and every name that is in a rollback."""
    return frozenset(name for act in file.acts for name in _names(act.statement.text))


def _names(text: str) -> Iterator[str]:
    for token in tokens(text):
        if token.kind is Kind.WORD:
            yield token.text
        elif token.kind is Kind.QUOTED:
            yield Reader(token.text).identifier() or ""


def _is_covered(made: Object, mentioned: Collection[str], dropped: Collection[str]) -> bool:
    name, parent = made.name, made.parent
    if name.name in mentioned or (parent is not None and parent.name in dropped):
        return True
    if parent is not None and made.kind != "column" and parent.name in mentioned:
        return True  # it may go with a column
    return name.schema is not None and name.schema in dropped and "cascade" in mentioned


def _is_dynamic(file: SqlFile) -> bool:
    """Whether it runs code that cannot be read here."""
    return any(
        act.verb in ("call", "do", "select") or (act.verb == "drop" and act.parsed.kind == "owned") for act in file.acts
    )


def called(made: Object) -> str:
    """Return what findings call a thing."""
    if made.kind in ("column", "constraint") and made.parent is not None:
        return f"the {made.kind} `{made.parent.name}.{made.name.name}`"
    return f"the {made.kind} `{made.name.name}`"


def _rollback_name(file: str) -> str:
    return f"{file.rpartition('.')[0]}.rollback.sql"
