"""Constraints of a table in use: added without a check of its rows, or by an index that is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.advice.advice import Advice, name_end
from zmig.lint.advice.definitions import column_definition, column_names, constraint_definition, made_name
from zmig.sql.quoting import bare
from zmig.sql.token_reader import Reader

if TYPE_CHECKING:
    from zmig.lint.advice.advice import Asked
    from zmig.lint.advice.definitions import ConstraintDefinition

BATCH_NOTE = "-- in its entry: batch: {size: 1000}\n"
"""What a migration begins with that runs in rounds."""
_TWO_STEPS = "add it `not valid`, and let a migration after that validate it while others write"


def foreign_key(asked: Asked) -> Advice | None:
    """A foreign key that is checked while nobody can write to either table."""
    added: tuple[str, ...] = ()
    constraint = constraint_definition(asked)
    if constraint is not None and constraint.kind == "foreign":
        name, text, references = constraint.name, constraint.text, constraint.rest
    elif (column := column_definition(asked)) is not None and (part := column.get("references")) is not None:
        name = made_name(asked.table_name, [column.column], "fkey")
        references = f"references {part.value}"
        text = f"foreign key ({column.name}) {references}"
        added = (f"alter table {asked.table} add column {column.without('references')};",)
    else:
        return None
    parent = _parent(references)
    return Advice(
        f"the foreign key `{name}` is checked for every row of `{asked.table}`, and nobody can write to "
        f"`{asked.table}` or `{parent}` meanwhile",
        _TWO_STEPS,
        (
            *_joined(added, f"alter table {asked.table} add constraint {name} {text} not valid;"),
            validation(asked, name),
        ),
    )


def _joined(first: tuple[str, ...], second: str) -> tuple[str, ...]:
    return ("\n".join((*first, second)),)


def _parent(references: str) -> str:
    """Return the table that a foreign key refers to, as it is written."""
    reader = Reader(references)
    reader.skip_to("references")
    reader.take()
    first = reader.peek()
    return "" if first is None else references[first.start : name_end(reader, references)]


def validation(asked: Asked, name: str) -> str:
    """Return the migration that validates a constraint."""
    return f"alter table {asked.table} validate constraint {name};"


def not_valid(asked: Asked) -> Advice | None:
    """A constraint that is checked under a lock."""
    action = asked.action
    if action is None:
        return None
    reader = action.reader
    if reader.accept("validate", "constraint") and (first := reader.peek()) is not None:
        name = asked.part(action, first.start, first.end)
        return Advice(
            f"`{name}` is validated in the transaction that adds it, so nobody can read or write `{asked.table}` until "
            "its last row is checked",
            "validate it in a migration of its own",
            (validation(asked, name),),
        )
    constraint = constraint_definition(asked)
    if constraint is None:
        return None
    match constraint.kind:
        case "foreign":
            return foreign_key(asked)
        case "unique":
            return unique(asked)
        case "primary":
            return primary_key(asked)
        case "exclude":
            return Advice(
                f"the index of `{constraint.name}` is built while nobody can read or write `{asked.table}`",
                "make a new table that has the constraint, and move the rows in batches: PostgreSQL can build no such "
                "index concurrently",
            )
        case _:
            return Advice(
                f"`{constraint.name}` is checked for every row of `{asked.table}` while nobody can read or write it",
                _TWO_STEPS,
                (
                    f"alter table {asked.table} add constraint {constraint.name} {constraint.text} not valid;",
                    validation(asked, constraint.name),
                ),
            )


def unique(asked: Asked) -> Advice | None:
    """A unique constraint whose index is built while nobody can use the table."""
    added: tuple[str, ...] = ()
    constraint = constraint_definition(asked)
    if constraint is not None and constraint.kind == "unique":
        name, how = constraint.name, _of_index(constraint)
    elif (column := column_definition(asked)) is not None and column.get("unique") is not None:
        name = made_name(asked.table_name, [column.column], "key")
        how = (f"({column.name})", "")
        added = (f"alter table {asked.table} add column {column.without('unique')};",)
    else:
        return None
    index, rest = how
    return Advice(
        f"the index of `{name}` is built while nobody can read or write `{asked.table}`",
        "build a unique index concurrently, in a file of its own, and then make it the constraint",
        (
            *added,
            f"create unique index concurrently {name} on {asked.table} {index};",
            f"alter table {asked.table} add constraint {name} unique using index {name}{rest};",
        ),
    )


def _of_index(constraint: ConstraintDefinition) -> tuple[str, str]:
    """Return what of a constraint is the index's, and what stays the constraint's own."""
    own: list[str] = []
    rest = constraint.rest
    lowered = rest.lower()
    for word in ("deferrable", "not deferrable", "initially"):
        if (place := lowered.find(word)) >= 0:
            own.append(f" {rest[place:].strip()}")
            rest = rest[:place].strip()
            break
    nulls = " nulls not distinct" if "nulls not distinct" in " ".join(constraint.text.lower().split()) else ""
    return f"{constraint.columns}{nulls}{f' {rest}' if rest else ''}", "".join(own)


def primary_key(asked: Asked) -> Advice | None:
    """A primary key whose index is built while nobody can use the table."""
    constraint = constraint_definition(asked)
    if constraint is None or constraint.kind != "primary":
        return _key_column(asked)
    return Advice(
        f"the index of `{constraint.name}` is built while nobody can read or write `{asked.table}`",
        "build a unique index concurrently, and then make it the key; the check proves that no row is null, and can be "
        "left out where the columns are `not null` already",
        _key(asked, constraint.name, constraint.columns, column_names(constraint)),
    )


def _key(asked: Asked, name: str, written: str, columns: list[str]) -> tuple[str, ...]:
    """Return the migrations that make columns a primary key, which are `written` in parentheses."""
    table = asked.table
    check = made_name(asked.table_name, columns, "are_set")
    condition = " and ".join(f"{bare(column)} is not null" for column in columns)
    sets = ", ".join(f"alter column {bare(column)} set not null" for column in columns)
    return (
        f"create unique index concurrently {name} on {table} {written};",
        f"alter table {table} add constraint {check} check ({condition}) not valid;",
        validation(asked, check),
        f"alter table {table} {sets};\n"
        f"alter table {table} drop constraint {check};\n"
        f"alter table {table} add constraint {name} primary key using index {name};",
    )


def _key_column(asked: Asked) -> Advice | None:
    column = column_definition(asked)
    if column is None:
        return None
    default = column.get("default")
    table, name = asked.table, column.name
    key = _key(asked, made_name(asked.table_name, [], "pkey"), f"({name})", [column.column])
    first = f"alter table {table} add column {column.without('primary', 'not null', 'default')};"
    value = "" if default is None else default.value
    if (kind := _SERIAL.get(column.type.lower())) is not None:
        sequence = made_name(asked.table_name, [column.column], "seq")
        value = f"nextval('{sequence}')"
        first = (
            f"alter table {table} add column {name} {kind};\n"
            f"create sequence {sequence} as {kind} owned by {table}.{name};"
        )
    steps = () if not value else (f"{first}\nalter table {table} alter column {name} set default {value};",)
    return Advice(
        f"`{table}` is written anew to give every row its `{name}`, and nobody can read or write it meanwhile",
        "add the column without the key, fill it in batches, build a unique index concurrently, and make that the key",
        (*steps, filling(asked, name, value), *key) if steps else (),
    )


def filling(asked: Asked, column: str, value: str) -> str:
    """Return the migration that fills a column in batches."""
    return (
        f"{BATCH_NOTE}update {asked.table} set {column} = {value}\n"
        f"where ctid in (select ctid from {asked.table} where {column} is null limit :size);"
    )


def of_domain(asked: Asked) -> Advice | None:
    """A constraint of a domain, for which every table that uses it is read."""
    begin = asked.statement.start
    reader = Reader(asked.statement.text)
    if not reader.accept("alter", "domain") or not (domain := asked.name(reader)):
        return None
    if not reader.accept("add") or (added := reader.peek()) is None:
        return None
    name = ""
    if reader.accept("constraint") and (token := reader.peek()) is not None:
        name = asked.written(begin + token.start, begin + token.end)
    given = asked.written(begin + added.start, asked.statement.end)
    if not name:
        name = made_name(Reader(domain.rpartition(".")[2]).identifier() or "domain", [], "check")
        given = f"constraint {name} {given}"
    return Advice(
        f"every table with a column of the domain `{domain}` is read, and nobody can write to it meanwhile",
        _TWO_STEPS,
        (f"alter domain {domain} add {given} not valid;", f"alter domain {domain} validate constraint {name};"),
    )


_SERIAL = {
    "bigserial": "bigint",
    "serial8": "bigint",
    "serial": "integer",
    "serial4": "integer",
    "smallserial": "smallint",
    "serial2": "smallint",
}
"""The types of the numbers of serial types."""
