"""What the release that runs meanwhile still calls by a name that is changed or gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice.advice import Advice
from zmig.sql.quoting import bare
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.advice.advice import Asked

_REASON = "drop it when no client uses it, and ignore the rule here with that reason"
_KINDS = frozenset(
    {
        "aggregate", "database", "domain", "extension", "function", "index", "procedure", "routine", "schema",
        "sequence", "table", "type", "view",
    }
)  # fmt: skip


def column(asked: Asked) -> Advice | None:
    """A column that gets another name."""
    words = _words_of_action(asked, "rename", "column")
    if words is None:
        return None
    before, after = words
    table = asked.table
    return Advice(
        f"clients that still call the column `{before}` of `{table}` fail when it is called `{after}`",
        f"add `{after}`, keep both in step by a trigger, fill it in batches, and drop `{before}` in the end",
    )


def table(asked: Asked) -> Advice | None:
    """A table that gets another name."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if not reader.accept("rename", "to") or (token := reader.peek()) is None:
        return None
    before, after = asked.table, asked.part(action, token.start, token.end)
    schema = before.rpartition(".")[0]
    new = f"{schema}.{after}" if schema else after
    return Advice(
        f"clients that still call the table `{before}` fail when it is called `{after}`",
        "make a view of the old name in the same migration, and drop it when no client uses it",
        (f"alter table {before} rename to {after};\ncreate view {before} as select * from {new};",),
    )


def _words_of_action(asked: Asked, *skipped: str) -> tuple[str, str] | None:
    """Return the two names that `A to B` in an action has, as they are written, after these words."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    for word in skipped:
        reader.accept(word)
    first, second = reader.peek(), reader.peek(2)
    if first is None or second is None:
        return None
    return asked.part(action, first.start, first.end), asked.part(action, second.start, second.end)


def other(asked: Asked) -> Advice | None:
    """Anything else that gets another name."""
    said = _named(asked)
    if said is None:
        return None
    kind, before = said
    reader = Reader(asked.statement.text)
    if not reader.skip_to("to"):
        return None
    reader.take()
    token = reader.peek()
    if token is None:
        return None
    after = asked.written(asked.statement.start + token.start, asked.statement.start + token.end)
    if kind == "table" and (words := _words_of_action(asked, "rename", "constraint")) is not None:
        return _known_by_errors("constraint", words[0], f" of `{asked.table}`", after)
    if kind == "index":
        return _known_by_errors(kind, before, "", after)
    reader = Reader(asked.statement.text)
    if reader.skip_to("rename", "value"):
        reader.take()
        reader.take()
        value = reader.string()
        what = f"the value `{value}` of `{before}`"
        return Advice(
            f"clients that still write {what} fail when it is called {after}",
            f"add {after}, let clients move to it, and change the rows in batches",
        )
    hint = f"make another {kind} of the new name, and drop `{before}` when no client uses it"
    return Advice(f"clients that still call the {kind} `{before}` fail when it is called `{after}`", hint)


def _known_by_errors(kind: str, before: str, where: str, after: str) -> Advice:
    return Advice(
        f"clients that know the {kind} `{before}`{where} by its name, such as from errors, do not know `{after}`",
        "look for the old name in what clients do with errors, and in `on conflict on constraint`",
    )


def _named(asked: Asked) -> tuple[str, str] | None:
    """Return the kind and the name of what a statement alters or drops."""
    reader = Reader(asked.statement.text)
    reader.take()
    words: list[str] = []
    while (word := reader.accept_any("materialized", "foreign", "event", *_KINDS)) is not None:
        words.append(word)
    reader.accept("if", "exists")
    name = asked.name(reader)
    return (" ".join(words), name) if words and name else None


def dropped(asked: Asked) -> Advice | None:
    """Something that clients may use, and that is dropped."""
    reader = Reader(asked.statement.text)
    if not reader.accept("drop") or (said := _named(asked)) is None:
        return None
    kind, name = said
    others = len(asked.statement.parsed.changes) - 1
    what = f"the {kind} `{name}`" + (f" and {others} more" if others > 0 else "")
    goes = ", and its rows are gone" if kind == "table" else ""
    if kind == "schema" and reader.skip_to("cascade"):
        return Advice(
            f"everything in the schema `{name}` is dropped with it, whatever it is",
            "drop by name what is to go, and then the schema without `cascade`",
        )
    if kind == "database":
        return Advice(f"the database `{name}` is dropped with all that is in it", "drop databases by hand")
    return Advice(f"clients that still use {what} fail{goes}", _REASON)


def _name_in_action(asked: Asked, *phrases: str) -> str | None:
    """Return the name that is in an action after these words, as far as they are there; as it is written."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    for phrase in phrases:
        reader.accept(*phrase.split())
    token = reader.peek()
    return None if token is None else asked.part(action, token.start, token.end)


def dropped_column(asked: Asked) -> Advice | None:
    """A column that is dropped."""
    name = _name_in_action(asked, "drop", "column", "if exists")
    if name is None:
        return None
    return Advice(
        f"clients that still use the column `{name}` of `{asked.table}` fail, and its values are gone", _REASON
    )


def _about_column(message: str, hint: str) -> Callable[[Asked], Advice | None]:
    def advise(asked: Asked) -> Advice | None:
        action = asked.action
        if action is None:
            return None
        reader = action.reader
        reader.accept("alter")
        reader.accept("column")
        name = reader.identifier()
        return None if name is None else Advice(message.format(name=bare(name), table=asked.table), hint)

    return advise


dropped_not_null = _about_column(
    "clients that rely on `{name}` of `{table}` may now read a null",
    "make sure first that every client can read a null",
)
dropped_default = _about_column(
    "clients that leave out `{name}` of `{table}` no longer get its default",
    "drop it when every client writes the column, and ignore the rule here with that reason",
)
dropped_expression = _about_column(
    "`{name}` of `{table}` is no longer computed, and clients that do not write it leave it null",
    "let clients write it first, by another column",
)
changed_expression = _about_column(
    "`{table}` is written anew to compute `{name}`, and nobody can read or write it meanwhile",
    "add another column with the new expression, fill it in batches, and let clients move to it",
)
changed_identity = _about_column(
    "clients that write `{name}` of `{table}` themselves may fail",
    "let the sequence begin above what is there, and let clients leave the column out first",
)


def dropped_constraint(asked: Asked) -> Advice | None:
    """A constraint that is dropped."""
    name = _name_in_action(asked, "drop constraint", "if exists")
    if name is None:
        return None
    return Advice(f"what `{name}` refuses can come into `{asked.table}` from now on", "make sure that this is meant")


def moved(asked: Asked) -> Advice | None:
    """Something that is moved to another schema."""
    said, reader = _named(asked), Reader(asked.statement.text)
    if said is None or not reader.skip_to("set", "schema"):
        return None
    kind, name = said
    reader.accept("set", "schema")
    schema = reader.identifier() or ""
    hint = "make another one there, and drop this one when no client uses it"
    if kind == "table":
        hint = "make a view of the old name in the same migration, and drop it when no client uses it"
    return Advice(f"clients that still look for the {kind} `{name}` where it was fail when it is in `{schema}`", hint)


def emptied(asked: Asked) -> Advice | None:
    """A TRUNCATE that empties other tables as well."""
    reader = Reader(asked.statement.text)
    reader.accept("truncate")
    reader.accept("table")
    reader.accept("only")
    shown = ", ".join(f"`{name.name}`" for name in reader.names())
    return Advice(
        f"with {shown} every table that has a foreign key to it is emptied, and every one that has one to those",
        "leave `cascade` out, and name every table that is to be empty",
    )
