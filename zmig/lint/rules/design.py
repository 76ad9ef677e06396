"""Checks of how tables and indexes are made, while it is still easy to make them another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Remark
from zmig.lint.replay.effects import Makes, Publishes
from zmig.lint.replay.objects import BUILT_IN, ConstraintKind, ObjectKind, TableKind
from zmig.sql.lexer import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.replay.catalog import Catalog
    from zmig.lint.replay.objects import Column, Constraint, Index, Table
    from zmig.lint.steps import Step
    from zmig.sql.token_reader import Name

_WIDEST = 3
_KEEPING = frozenset({"no action", "restrict"})
"""What a foreign key does that lets no row be deleted which another one references."""
_INTEGERS = {"int2": "smallint", "int4": "integer"}
_TYPES = {
    "money": ("design/money", "depends on `lc_monetary` for what it means", "numeric(12, 2)"),
    "json": ("design/json", "cannot be compared or indexed, and is parsed anew whenever it is read", "jsonb"),
}


def tables(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """New tables without a primary key, or with one that can run out of numbers."""
    for step, table in _made(steps):
        key = table.primary_key
        if key is None:
            if not _has_key(steps[-1].after, table):
                yield _at(
                    step,
                    "design/no-primary-key",
                    table.name.name,
                    f"`{table.name.name}` has no primary key, so no row of it can be named, and logical replication "
                    "cannot update or delete one",
                    "add one: `id bigint generated always as identity primary key`",
                )
        elif len(key.columns) == 1 and (column := table.column(key.columns[0])) is not None:
            shown = _integer(column)
            if shown is not None and (column.identity is not None or _draws(column)):
                yield _at(
                    step,
                    "design/integer-key",
                    column.name,
                    f"`{table.name.name}.{column.name}` is {shown}, and its numbers can run out",
                    "make it `bigint`: to change it later rewrites the table",
                )


def _made(steps: Sequence[Step]) -> Iterator[tuple[Step, Table]]:
    """Yield the tables that steps make and leave there, as they are at the end."""
    for step in steps:
        for one in step.of(Makes):
            table = steps[-1].after.table(one.ref.name) if one.ref.kind is ObjectKind.TABLE else None
            # What a query fills is often a copy that does not stay.
            is_copy = table is not None and table.kind is TableKind.TABLE and table.empty_since is None
            if table is not None and not (is_copy or table.is_temporary or table.parents) and table.is_whole:
                yield step, table


def _has_key(catalog: Catalog, table: Table) -> bool:
    has_constraint = any(one.kind.has_index for one in table.constraints.values())
    return has_constraint or any(one.is_unique for one in catalog.indexes_of(table.name))


def _integer(column: Column) -> str | None:
    kind = column.type
    if kind is None or kind.is_array or kind.name.schema != BUILT_IN:
        return None
    return _INTEGERS.get(kind.name.name)


def _draws(column: Column) -> bool:
    return column.default is not None and any(one.name == "nextval" for one in column.default.functions)


def columns(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """New columns of types that are better another one."""
    for step, table, column in _made_columns(steps):
        kind = column.type
        if kind is not None and kind.name.schema == BUILT_IN and kind.name.name in _TYPES:
            rule, why, better = _TYPES[kind.name.name]
            message = f"`{table.name.name}.{column.name}` is of the type `{kind.name.name}`, which {why}"
            yield _at(step, rule, column.name, message, f"use `{better}`")


def _made_columns(steps: Sequence[Step]) -> Iterator[tuple[Step, Table, Column]]:
    for step, table in _made(steps):
        yield from ((step, table, column) for column in table.columns.values())
    for step in steps:
        for one in step.of(Makes):
            table = step.after.table(one.ref.name) if one.ref.kind is ObjectKind.COLUMN else None
            column = None if table is None else table.column(one.ref.part or "")
            if table is not None and column is not None and not table.is_temporary:
                yield step, table, column


def keys(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """New foreign keys whose columns are narrower than what they reference, or have no index."""
    if not steps:
        return
    end = steps[-1].after
    for step, table, key in _made_keys(steps):
        if key.references is None:
            continue
        parent = end.table(key.references)
        referenced = key.referenced_columns
        if parent is not None and not referenced and parent.primary_key is not None:
            referenced = parent.primary_key.columns
        for own, other in zip(key.columns, referenced, strict=False):
            column, target = table.column(own), None if parent is None else parent.column(other)
            if column is None or target is None or parent is None or (shown := _integer(column)) is None:
                continue
            if target.type is not None and target.type.name == (BUILT_IN, "int8"):
                yield _at(
                    step,
                    "design/integer-reference",
                    own,
                    f"`{table.name.name}.{own}` is {shown}, and references `{parent.name.name}.{other}`, which is "
                    "bigint",
                    f"make `{own}` bigint, too: it fails at the first number that does not fit",
                )
        if not any(_begins_with(one, key.columns) for one in end.indexes_of(table.name)):
            listed = ", ".join(key.columns)
            name = table.name.name
            yield _at(
                step,
                "design/foreign-key-index" if key.on_delete in _KEEPING else "design/cascade-index",
                key.columns[0] if key.columns else name,
                f"no index of `{name}` begins with `{listed}`, so every row of it is read when a row of "
                f"`{key.references.name}` is deleted",
                f"write `create index concurrently {name}_{'_'.join(key.columns)}_idx on {name} ({listed})` in a "
                "migration of its own",
            )


def _made_keys(steps: Sequence[Step]) -> Iterator[tuple[Step, Table, Constraint]]:
    for step, table in _made(steps):
        yield from ((step, table, key) for key in table.foreign_keys)
    made = {table.name for _, table in _made(steps)}
    for step in steps:
        for one in step.of(Makes):
            table = steps[-1].after.table(one.ref.name) if one.ref.kind is ObjectKind.CONSTRAINT else None
            key = None if table is None else table.constraints.get(one.ref.part or "")
            if table is None or key is None or table.name in made:
                continue
            if key.kind is ConstraintKind.FOREIGN_KEY:
                yield step, table, key


def _begins_with(index: Index, columns: tuple[str, ...]) -> bool:
    return index.predicate is None and set(index.columns[: len(columns)]) == set(columns)


def indexes(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """New indexes that another one makes needless, or that are wider than queries use."""
    for step in steps:
        for one in step.of(Makes):
            index = step.after.index(one.ref.name) if one.ref.kind is ObjectKind.INDEX else None
            if index is None or (steps[-1].after.index(one.ref.name)) is None:
                continue
            better = _better(step.after, steps[-1].after, index)
            if better is not None:
                same = "the same columns" if better.columns == index.columns else "these columns in front"
                yield step.remark(
                    "design/redundant-index",
                    one,
                    f"`{better.name.name}` of `{index.table.name}` has {same}, so queries do without "
                    f"`{index.name.name}`, which every write would keep up",
                    f"leave `{index.name.name}` out",
                )
            elif len(index.columns) > _WIDEST and not index.is_unique and index.method == "btree":
                yield step.remark(
                    "design/wide-index",
                    one,
                    f"`{index.name.name}` has {len(index.columns)} columns, of which queries seldom use more than "
                    f"{_WIDEST}, and every write keeps it up",
                    "take the columns that choose the most rows, or put those that are only read into `include (...)`",
                )


def _better(now: Catalog, end: Catalog, index: Index) -> Index | None:
    """Return an index that does what another one does."""
    if index.predicate is not None or index.expressions or index.method != "btree":
        return None
    for other in now.indexes_of(index.table):
        is_alike = other.predicate is None and other.method == "btree" and other.name != index.name
        is_longer = len(other.columns) > len(index.columns)
        if not is_alike or end.index(other.name) is None or other.columns[: len(index.columns)] != index.columns:
            continue
        if _orders(other)[: len(index.columns)] != _orders(index):
            continue
        if (is_longer and not index.is_unique) or (not is_longer and (other.is_unique or not index.is_unique)):
            return other
    return None


def _orders(index: Index) -> tuple[object, ...]:
    return tuple(zip(index.opclasses, index.collations, strict=False)) or ((None, None),) * len(index.columns)


def published(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Publications of tables whose rows cannot be named."""
    for step in steps:
        for one in step.of(Publishes):
            tables = [table.name.name for table in _published(one, step.after)]
            if tables:
                have = "has" if len(tables) == 1 else "have"
                yield step.remark(
                    "replication/no-identity",
                    one,
                    f"{', '.join(f'`{name}`' for name in tables)} {have} no primary key and no replica identity, so "
                    "every UPDATE and DELETE of it fails once it is published",
                    f"give it a primary key, or write `alter table {tables[0]} replica identity full` before",
                )


def _published(one: Publishes, catalog: Catalog) -> Iterator[Table]:
    names: Sequence[Name] = [table.name for table in catalog.tables()] if one.is_every else one.tables
    for name in names:
        table = catalog.table(name)
        is_plain = table is not None and table.kind is not TableKind.FOREIGN and not table.is_temporary
        if table is None or not is_plain or not table.is_whole or not catalog.is_certain(table):
            continue
        if table.primary_key is None and table.replica_identity in ("default", "nothing"):
            yield table


def _at(step: Step, rule: str, word: str, message: str, hint: str) -> Remark:
    """Return a remark at the first place of a word in a statement."""
    statement = step.statement
    for token in tokens(statement.text):
        if token.text in (word, f'"{word}"'):
            start = statement.start + token.start
            return Remark(rule, message, hint, step.file.source, start=start, end=statement.start + token.end)
    return step.file.remark(rule, statement, message, hint)
