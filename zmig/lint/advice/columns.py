"""Columns of a table in use: added, filled and changed without writing the table anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice.advice import Advice
from zmig.lint.advice.constraints import BATCH_NOTE, filling, validation
from zmig.lint.advice.definitions import column_definition, made_name
from zmig.sql.quoting import bare
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.lint.advice.advice import Asked
    from zmig.lint.advice.definitions import ColumnDefinition
    from zmig.lint.sql_file import Action

_NAMED_NOT_NULL = 18
"""Since this version NOT NULL can be added NOT VALID itself."""
_VIRTUAL = 18


def _changed(asked: Asked) -> tuple[Action, str, str] | None:
    """Return the action that changes a column, and the column: as it is written, and as it is in the catalog."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if not reader.accept("alter"):
        return None
    reader.accept("column")
    token = reader.peek()
    name = reader.identifier()
    return None if token is None or name is None else (action, asked.part(action, token.start, token.end), name)


def proved_not_null(asked: Asked, column: str, name: str) -> tuple[str, ...]:
    """Return the migrations after which a column is never null, and that nobody waits for; `column` as written."""
    table = asked.table
    if asked.version is not None and asked.version >= _NAMED_NOT_NULL:
        constraint = made_name(asked.table_name, [name], "not_null")
        return (
            f"alter table {table} add constraint {constraint} not null {column} not valid;",
            validation(asked, constraint),
        )
    constraint = made_name(asked.table_name, [name], "is_set")
    return (
        f"alter table {table} add constraint {constraint} check ({column} is not null) not valid;",
        validation(asked, constraint),
        f"alter table {table} alter column {column} set not null;\nalter table {table} drop constraint {constraint};",
    )


def not_null(asked: Asked) -> Advice | None:
    """`SET NOT NULL` without a proof."""
    changed = _changed(asked)
    if changed is None:
        return None
    _, column, name = changed
    return Advice(
        f"all rows of `{asked.table}` are read to see whether a `{column}` is null, and nobody can read or write them "
        "meanwhile",
        "add a check `not valid`, validate it while others write, and then set the column `not null`, which reads "
        "nothing any more",
        proved_not_null(asked, column, name),
    )


def required(asked: Asked) -> Advice | None:
    """A new column that must not be null and has no default."""
    column = column_definition(asked)
    if column is None:
        return None
    return Advice(
        f"the new column `{column.name}` must not be null and has no default, so this fails as soon as "
        f"`{asked.table}` has a row",
        "give it a default, for which no row is written, or add it without `not null`, fill it in batches, and set it "
        "`not null` then",
        (
            f"alter table {asked.table} add column {column.without('not null')};",
            *proved_not_null(asked, column.name, column.column),
        ),
    )


def default(asked: Asked) -> Advice | None:
    """A new column whose values are computed for every row."""
    column = column_definition(asked)
    if column is None:
        return None
    why = f"`{asked.table}` is written anew, and nobody can read or write it meanwhile"
    if (generated := column.get("generated")) is not None:
        return _generated(asked, column, generated.text, why)
    given = column.get("default")
    if given is None:
        return None
    table, name = asked.table, column.name
    steps = [
        f"alter table {table} add column {column.without('default', 'not null')};\n"
        f"alter table {table} alter column {name} set default {given.value};",
        filling(asked, name, given.value),
    ]
    if column.get("not null") is not None:
        steps += proved_not_null(asked, name, column.column)
    return Advice(
        f"`{given.value}` gives every row a value of its own, so {why}",
        "add the column without a default, give it one for new rows, and fill the others in batches",
        tuple(steps),
    )


def _generated(asked: Asked, column: ColumnDefinition, generated: str, why: str) -> Advice:
    if "identity" in generated.lower().split() or column.get("primary") is not None:
        return Advice(
            f"every row is given a number for `{column.name}`, so {why}",
            "add the column without identity, fill it in batches, and add the identity when no row is null",
        )
    message = f"`{column.name}` is computed for every row, so {why}"
    if asked.version is not None and asked.version >= _VIRTUAL:
        virtual = generated.rpartition(")")[0] + ") virtual"
        fix = f"alter table {asked.table} add column {column.without('generated')} {virtual};"
        return Advice(message, "make it `virtual`: it is computed when it is read", (fix,))
    return Advice(message, "add a plain column, keep it up to date by a trigger, and fill it in batches")


def type_change(asked: Asked) -> Advice | None:
    """Another type for a column."""
    changed = _changed(asked)
    if changed is None:
        return None
    action, column, name = changed
    reader = action.reader
    reader.skip_to("type")
    reader.take()
    begin, depth, end, using = reader.peek(), 0, len(action.text), ""
    while (word := reader.take()) is not None:
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if depth == 0 and word.text == "using":
            end, using = word.start, asked.part(action, word.end, len(action.text))
            break
    if begin is None:
        return None
    kind = asked.part(action, begin.start, end)
    message = (
        f"`{asked.table}` is written anew for a `{column}` of type `{kind}`, and nobody can read or write it meanwhile"
    )
    hint = (
        "add a column of the new type, keep both in step by a trigger, fill it in batches, and let clients move to it"
    )
    return Advice(message, hint, _moved(asked, name, kind) if not using else ())


def _moved(asked: Asked, name: str, kind: str) -> tuple[str, ...]:
    """Return the migrations that give a column another type by a second column."""
    table, old, new, function = asked.table, bare(name), bare(f"{name}_new"), made_name(asked.table_name, [name], "new")
    plain = kind.lower().partition(" collate ")[0]
    return (
        f"alter table {table} add column {new} {kind};\n"
        f"create function {function}() returns trigger language plpgsql as $$\n"
        f"begin\n  new.{new} := new.{old};\n  return new;\nend $$;\n"
        f"create trigger {function} before insert or update on {table}\n"
        f"for each row execute {'procedure' if asked.version is not None and asked.version < 11 else 'function'} "
        f"{function}();",
        f"{BATCH_NOTE}update {table} set {new} = {old}\n"
        f"where ctid in (select ctid from {table} where {new} is distinct from {old}::{plain} limit :size);",
        f"-- when {new} has the constraints, indexes and default of {old}\n"
        f"drop trigger {function} on {table};\n"
        f"drop function {function}();\n"
        f"alter table {table} rename column {old} to {bare(f'{name}_old')};\n"
        f"alter table {table} rename column {new} to {old};",
    )


def padded(asked: Asked) -> Advice | None:
    """A column of the type `char(n)`."""
    text = asked.statement.text[asked.start - asked.statement.start :]
    kind = text.partition(")")[0] + ")" if "(" in text.partition(",")[0] else text.split()[0]
    return Advice(f"`{kind}` pads every value with blanks", "use `text`, with a `check` if the length matters")


def assigned_twice(asked: Asked) -> Advice | None:
    """A column that an UPDATE sets twice."""
    name = Reader(asked.statement.text[asked.start - asked.statement.start :]).identifier()
    if name is None:
        return None
    return Advice(f"`{name}` is assigned to twice, which PostgreSQL refuses", "assign to it once")
