"""The grammar of the commands that matter to a run and to the linter, by verb: each reads what follows its own.

What you may rely on: names are unquoted and folded as the server does it. What the grammar does not know, and what is
no valid SQL, has no effect, and creates and changes nothing. A DO block and dynamic SQL do nothing that can be seen
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.sql import rewritten_rows
from zmig.sql.catalog_effect import (
    AddEnumValue,
    CatalogEffect,
    CreateIndex,
    CreateShared,
    DetachPartition,
    DropIndex,
    DropShared,
    FinishPrepared,
    Idempotent,
    Reindex,
    ReindexKind,
    SharedKind,
    Unknown,
)
from zmig.sql.lexer import Kind
from zmig.sql.token_reader import Name, Reader, is_true
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import KW_ONLY


@valueclass
class Object:
    """Something a statement creates in the database."""

    kind: str
    name: Name
    parent: Name | None = None
    """The table it belongs to and is dropped with."""


@valueclass
class ParsedCommand:
    """What follows the verb of a statement."""

    kind: str = ""
    """The kind of object, such as `table` or `materialized view`."""
    name: Name | None = None
    """The object that it creates, or whose definition it changes."""
    _: KW_ONLY
    is_temporary: bool = False
    replaces: bool = False
    """Whether it says OR REPLACE."""
    is_guarded: bool = False
    """Whether it says IF EXISTS, IF NOT EXISTS or OR REPLACE, so that running it twice does no harm."""
    refuses_transaction: str | None = None
    controls_transaction: str | None = None
    isolation_level: str | None = None
    sets_session: bool = False
    effect: CatalogEffect | None = None
    creates: tuple[Object, ...] = ()
    """What lasts and has a name of its own: no temporary table."""
    changes: tuple[Name, ...] = ()
    """The tables, indexes and types whose definition it changes, or that it locks against use."""
    renames: tuple[Name, Name] | None = None
    """What it calls a table from then on: the name before, the name after."""
    rewrites_rows_of: Name | None = None
    """The table of which it may change many rows."""
    actions: int | None = None
    """Where the actions of an ALTER TABLE begin, a 0-based offset."""


_NOTHING = ParsedCommand()


def parse(verb: str, text: str, *, conforming: bool) -> ParsedCommand:
    """Parse a statement that begins with `verb`; `conforming` is how its strings are read."""
    read = _COMMANDS.get(verb)
    if read is None:
        return _NOTHING
    reader = Reader(text, conforming=conforming)
    reader.take()
    return read(reader)


def unknown(text: str, *, conforming: bool) -> Unknown:
    """Return the effect of a statement of which the catalog shows nothing."""
    reader = Reader(text, conforming=conforming)
    first = [token.text.upper() for index in range(3) if (token := reader.peek(index)) and token.text.isalpha()]
    return Unknown(" ".join(first))


_ON_A_TABLE = frozenset({"trigger", "policy", "rule"})


def _create(reader: Reader) -> ParsedCommand:
    modifiers, kind = reader.object_kind()
    if kind == "index":
        return _create_index(reader, is_unique="unique" in modifiers)
    if kind in _SHARED:
        return _create_shared(reader, kind)
    replaces = "replace" in modifiers
    is_guarded = reader.accept("if", "not", "exists") or replaces
    name = reader.name()
    is_temporary = "temp" in modifiers or "temporary" in modifiers
    if name is None or is_temporary:
        return ParsedCommand(kind, name, is_temporary=is_temporary, is_guarded=is_guarded)
    parent = None  # the table that it is dropped with
    before = "to" if kind == "rule" else "on"
    if kind in _ON_A_TABLE and reader.skip_to(before):
        reader.accept(before)
        parent = reader.name()
    elif kind == "table" and reader.accept("partition", "of"):
        parent = reader.name()
    return ParsedCommand(
        kind,
        name,
        replaces=replaces,
        is_guarded=is_guarded,
        creates=(Object(kind, name, parent),),
        changes=(parent,) if parent and kind in _ON_A_TABLE else (),
    )


def _create_index(reader: Reader, *, is_unique: bool) -> ParsedCommand:
    concurrently = reader.accept("concurrently")
    refuses = f"CREATE {'UNIQUE ' if is_unique else ''}INDEX CONCURRENTLY" if concurrently else None
    is_guarded = reader.accept("if", "not", "exists")
    name = None if reader.sees("on") else reader.identifier()
    table = _table(reader) if reader.accept("on") else None
    if table is None:
        return ParsedCommand("index", refuses_transaction=refuses)
    full_name = None if name is None else Name(table.schema, name)
    return ParsedCommand(
        "index",
        full_name,
        is_guarded=is_guarded,
        refuses_transaction=refuses,
        effect=CreateIndex(name, table, is_unique=is_unique, if_not_exists=is_guarded, concurrently=concurrently),
        creates=() if full_name is None else (Object("index", full_name, table),),
        changes=(table,),
    )


def _table(reader: Reader) -> Name | None:
    reader.accept("only")
    return reader.name()


_SHARED = frozenset(SharedKind)


def _create_shared(reader: Reader, kind: str) -> ParsedCommand:
    name = reader.identifier()
    made = None if name is None else Name(None, name)
    refuses = True
    if kind == "subscription":  # it is the slot on the other server that no rollback would drop
        options = _options_after_with(reader) if reader.skip_to("with", "(") else {}
        refuses = is_true(options.get("create_slot", options.get("connect", "")))
    return ParsedCommand(
        kind,
        made,
        refuses_transaction=f"CREATE {kind.upper()}" if refuses else None,
        effect=None if name is None else CreateShared(SharedKind(kind), name),
        creates=() if made is None else (Object(kind, made),),
    )


def _options_after_with(reader: Reader) -> dict[str, str]:
    reader.accept("with")
    return reader.options()


def _drop(reader: Reader) -> ParsedCommand:
    _, kind = reader.object_kind()
    concurrently = kind == "index" and reader.accept("concurrently")
    is_guarded = reader.accept("if", "exists")
    names = reader.names()
    if kind in _ON_A_TABLE:
        names = (table,) if reader.accept("on") and (table := reader.name()) else ()
    refuses, effect = "DROP INDEX CONCURRENTLY" if concurrently else None, None
    if kind in _SHARED:
        refuses = f"DROP {kind.upper()}"
        effect = DropShared(SharedKind(kind), names[0].name, is_guarded) if names else None
    elif kind == "index" and names:
        effect = DropIndex(names, is_guarded, concurrently)
    return ParsedCommand(kind, is_guarded=is_guarded, refuses_transaction=refuses, effect=effect, changes=names)


_CHANGED = frozenset({"domain", "foreign table", "index", "materialized view", "sequence", "table", "type", "view"})


def _alter(reader: Reader) -> ParsedCommand:
    _, kind = reader.object_kind()
    match kind:
        case "system":
            return ParsedCommand(kind, refuses_transaction="ALTER SYSTEM", effect=Idempotent("ALTER SYSTEM"))
        case "database":
            return _alter_database(reader)
        case "subscription":
            return _alter_subscription(reader)
        case _:
            return _alter_object(reader, kind)


def _alter_database(reader: Reader) -> ParsedCommand:
    is_named = reader.identifier() is not None
    sets = reader.accept("set")
    if not sets:
        reader.accept("with")
    moves = reader.accept("tablespace") and not (sets and (reader.sees("to") or reader.sees("=")))
    return ParsedCommand(
        "database",
        refuses_transaction="ALTER DATABASE ... SET TABLESPACE" if moves else None,
        effect=Idempotent("ALTER DATABASE") if is_named and sets else None,
    )


def _alter_subscription(reader: Reader) -> ParsedCommand:
    is_named = reader.identifier() is not None
    action = reader.accept_any("refresh", "set", "add", "drop")
    is_idempotent = is_named and action in ("refresh", "set")
    refuses = None
    if action == "refresh":
        refuses = "ALTER SUBSCRIPTION ... REFRESH"
    elif action and reader.accept("publication"):
        refreshes = not reader.skip_to("with") or is_true(_options_after_with(reader).get("refresh", ""))
        refuses = f"ALTER SUBSCRIPTION ... {action.upper()} PUBLICATION" if refreshes else None
    elif action == "set" and reader.sees("("):
        options = reader.options()
        if "failover" in options or not is_true(options.get("two_phase", "")):
            refuses = "ALTER SUBSCRIPTION ... SET"
    effect = Idempotent("ALTER SUBSCRIPTION") if is_idempotent else None
    return ParsedCommand("subscription", refuses_transaction=refuses, effect=effect)


def _alter_object(reader: Reader, kind: str) -> ParsedCommand:
    is_guarded = reader.accept("if", "exists")
    name = _table(reader)
    if name is None or kind not in _CHANGED:
        return ParsedCommand(kind, is_guarded=is_guarded)
    reader.accept("*")
    first = reader.peek()
    actions = first.start if kind == "table" and first else None
    new = reader.identifier() if reader.accept("rename", "to") else None
    refuses, effect = None, None
    if kind == "table" and reader.accept("detach", "partition") and (partition := reader.name()):
        how = reader.accept_any("concurrently", "finalize")
        effect = DetachPartition(name, partition, how == "concurrently", how == "finalize")
        refuses = "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY" if how == "concurrently" else None
    elif kind == "type" and reader.accept("add", "value"):
        if_not_exists = reader.accept("if", "not", "exists")
        value = reader.string()
        effect = None if value is None else AddEnumValue(name, value, if_not_exists)
    return ParsedCommand(
        kind,
        name,
        is_guarded=is_guarded,
        refuses_transaction=refuses,
        effect=effect,
        creates=tuple(_added(reader, name)) if kind in ("table", "foreign table") else (),
        changes=(name,),
        renames=None if new is None else (name, Name(name.schema, new)),
        actions=actions,
    )


_CONSTRAINTS = frozenset({"check", "unique", "primary", "foreign", "exclude", "not"})


def _added(reader: Reader, table: Name) -> list[Object]:
    """Return the columns and constraints that the actions of an ALTER TABLE add."""
    added: list[Object] = []
    depth = 0
    begins = True
    while token := reader.peek():
        if begins and reader.accept("add"):
            added += _addition(reader, table)
        else:
            reader.take()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        begins = depth == 0 and token.text == ","
    return added


def _addition(reader: Reader, table: Name) -> list[Object]:
    kind = "column"
    if reader.accept("constraint"):
        kind = "constraint"
    elif not reader.accept("column") and (token := reader.peek()) and token.text in _CONSTRAINTS:
        return []
    reader.accept("if", "not", "exists")
    name = reader.identifier()
    return [] if name is None else [Object(kind, Name(None, name), table)]


def _reindex(reader: Reader) -> ParsedCommand:
    options = reader.options() if reader.sees("(") else {}
    kind = reader.accept_any(*ReindexKind)
    concurrently = reader.accept("concurrently") or is_true(options.get("concurrently", "off"))
    refuses = None
    if concurrently:
        refuses = "REINDEX CONCURRENTLY"
    elif kind in ("schema", "database", "system"):
        refuses = f"REINDEX {kind.upper()}"
    names = reader.names()
    effect = None if kind is None else Reindex(ReindexKind(kind), names[0] if names else None, concurrently)
    return ParsedCommand(kind or "", refuses_transaction=refuses, effect=effect, changes=names)


def _cluster(reader: Reader) -> ParsedCommand:
    names = _names_after(reader, "verbose")
    refuses = None if names or reader.peek() else "CLUSTER"
    return ParsedCommand(refuses_transaction=refuses, effect=Idempotent("CLUSTER"), changes=names)


def _vacuum(reader: Reader) -> ParsedCommand:
    names = _names_after(reader, "full", "freeze", "verbose", "analyze")
    return ParsedCommand(refuses_transaction="VACUUM", effect=Idempotent("VACUUM"), changes=names)


def _names_after(reader: Reader, *words: str) -> tuple[Name, ...]:
    """Take the names that follow options and these words, each of which may be missing."""
    if reader.sees("("):
        reader.options()
    while reader.accept_any(*words):
        pass
    return reader.names()


def _refresh(reader: Reader) -> ParsedCommand:
    effect = Idempotent("REFRESH MATERIALIZED VIEW") if reader.accept("materialized", "view") else None
    return ParsedCommand(effect=effect, changes=_names_after(reader, "concurrently"))


def _lock(reader: Reader) -> ParsedCommand:
    return ParsedCommand(changes=_names_after(reader, "table", "only"))


def _commit(reader: Reader) -> ParsedCommand:
    if reader.accept("prepared"):
        return _finish_prepared(reader, "COMMIT PREPARED", commits=True)
    return ParsedCommand(controls_transaction="COMMIT")


def _rollback(reader: Reader) -> ParsedCommand:
    if reader.accept("prepared"):
        return _finish_prepared(reader, "ROLLBACK PREPARED", commits=False)
    reader.accept_any("work", "transaction")
    return ParsedCommand(controls_transaction=None if reader.sees("to") else "ROLLBACK")


def _finish_prepared(reader: Reader, command: str, *, commits: bool) -> ParsedCommand:
    gid = reader.string()
    effect = None if gid is None else FinishPrepared(gid, commits)
    return ParsedCommand(refuses_transaction=command, effect=effect)


def _start(reader: Reader) -> ParsedCommand:
    return ParsedCommand(controls_transaction="START TRANSACTION" if reader.accept("transaction") else None)


def _prepare(reader: Reader) -> ParsedCommand:
    is_control = reader.accept("transaction") and (token := reader.peek()) and token.kind is Kind.STRING
    return ParsedCommand(controls_transaction="PREPARE TRANSACTION" if is_control else None)


def _discard(reader: Reader) -> ParsedCommand:
    refuses = "DISCARD ALL" if reader.accept("all") else None
    return ParsedCommand(refuses_transaction=refuses, effect=Idempotent("DISCARD"))


def _select(reader: Reader) -> ParsedCommand:
    """Know the function of Citus that refuses a transaction (13.2: `PreventInTransactionBlock` in it)."""
    reader.accept("pg_catalog", ".")
    if reader.accept("set_config", "("):
        return ParsedCommand(sets_session=True)
    return ParsedCommand(refuses_transaction=reader.accept_any("create_distributed_table_concurrently"))


def _set(reader: Reader) -> ParsedCommand:
    sets_session, level = not _lasts_a_transaction(reader), None
    if reader.accept("transaction", "isolation", "level"):
        level = reader.accept_any("serializable", "repeatable", "read")
        if level in ("repeatable", "read"):
            second = reader.accept_any("read", "committed", "uncommitted")
            level = None if second is None else f"{level} {second}"
    return ParsedCommand(isolation_level=level, sets_session=sets_session, effect=Idempotent("SET"))


def _lasts_a_transaction(reader: Reader) -> bool:
    return any(map(reader.sees, ("local", "constraints", "transaction")))


def _reset(reader: Reader) -> ParsedCommand:
    return ParsedCommand(sets_session=not _lasts_a_transaction(reader), effect=Idempotent("RESET"))


def _rewriting(read: Callable[[Reader], Name | None]) -> Callable[[Reader], ParsedCommand]:
    return lambda reader: ParsedCommand(rewrites_rows_of=read(reader))


def _constant(parsed: ParsedCommand) -> Callable[[Reader], ParsedCommand]:
    return lambda _: parsed


_COMMANDS: dict[str, Callable[[Reader], ParsedCommand]] = {
    "abort": _constant(ParsedCommand(controls_transaction="ABORT")),
    "alter": _alter,
    "analyze": _constant(ParsedCommand(effect=Idempotent("ANALYZE"))),
    "begin": _constant(ParsedCommand(controls_transaction="BEGIN")),
    "checkpoint": _constant(ParsedCommand(effect=Idempotent("CHECKPOINT"))),
    "cluster": _cluster,
    "commit": _commit,
    "create": _create,
    "discard": _discard,
    "drop": _drop,
    "end": _constant(ParsedCommand(controls_transaction="END")),
    "load": _constant(ParsedCommand(sets_session=True)),
    "lock": _lock,
    "prepare": _prepare,
    "refresh": _refresh,
    "reindex": _reindex,
    "reset": _reset,
    "rollback": _rollback,
    "select": _select,
    "set": _set,
    "show": _constant(ParsedCommand(effect=Idempotent("SHOW"))),
    "start": _start,
    "truncate": _lock,
    "vacuum": _vacuum,
    **{verb: _rewriting(read) for verb, read in rewritten_rows.READERS.items()},
}
"""By a statement's first word; a reader begins after it."""
