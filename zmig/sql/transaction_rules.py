"""What a statement means for transactions, told by its keywords as the server's grammar reads them.

What you may rely on: only what the text shows. A REINDEX or CLUSTER of a partitioned table refuses a
transaction too, which only the server knows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.sql.lexer import Kind
from zmig.sql.token_reader import Reader, is_true
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zmig.sql.statement import Statement


def refuses_transaction(statement: Statement) -> str | None:
    """Return the command's name if the server refuses it inside a transaction block, else None."""
    if not _may_refuse(statement.text):
        return None
    reader = Reader.of(statement)
    first = reader.take()
    rule = _REFUSALS.get(first.text) if first else None
    return rule(reader) if rule else None


_TELLING = {
    "alter": ("system", "database", "subscription", "concurrently"),
    "create": ("database", "tablespace", "subscription", "concurrently"),
    "drop": ("database", "tablespace", "subscription", "concurrently"),
    "select": ("create_distributed_table_concurrently",),
}
"""Of the commands that begin so, those that are refused have one of these words in them: a quick look, at first."""


def _may_refuse(text: str) -> bool:
    first = _first_word(text)
    if first not in _REFUSALS:
        return False
    words = _TELLING.get(first)
    lower = text.lower()
    return words is None or any(word in lower for word in words)


def _first_word(text: str) -> str:
    """Return the keyword that a statement begins with, in lower case; empty where it begins with something else."""
    found = _WORD.match(text)
    return found.group().lower() if found is not None else ""


_WORD = re.compile(r"[A-Za-z]+")
_CONTROLS = frozenset({"begin", "start", "commit", "end", "abort", "rollback", "prepare"})


def isolation_level(statement: Statement) -> str | None:
    """Return the isolation level that a `SET TRANSACTION ISOLATION LEVEL` asks for; None for any other statement.

    PostgreSQL takes it before the first query of a transaction only, or where the transaction has that level already.
    https://www.postgresql.org/docs/current/sql-set-transaction.html
    """
    if statement.text[:3].lower() != "set":
        return None
    reader = Reader.of(statement)
    if not reader.accept("set", "transaction", "isolation", "level"):
        return None
    first = reader.accept_any("serializable", "repeatable", "read")
    if first is None or first == "serializable":
        return first
    second = reader.accept_any("read", "committed", "uncommitted")
    return None if second is None else f"{first} {second}"


def controls_transaction(statement: Statement) -> str | None:
    """Return the command's name if it begins, ends or prepares a transaction, else None.

    Savepoints do not: they stay inside the transaction.
    """
    if _first_word(statement.text) not in _CONTROLS:
        return None
    reader = Reader.of(statement)
    match reader.accept_any(*_CONTROLS):
        case "begin" | "end" | "abort" as word:
            return word.upper()
        case "start":
            return "START TRANSACTION" if reader.accept("transaction") else None
        case "commit":
            return None if reader.accept("prepared") else "COMMIT"
        case "rollback":
            reader.accept_any("work", "transaction")
            return None if reader.accept_any("to", "prepared") else "ROLLBACK"
        case "prepare":
            is_control = reader.accept("transaction") and (token := reader.peek()) and token.kind is Kind.STRING
            return "PREPARE TRANSACTION" if is_control else None
        case _:
            return None


@valueclass
class TransactionMode:
    """Whether a script runs in one transaction, and why."""

    transactional: bool
    reason: str
    """For `zmig plan`: the declaration, or the statement that decides with its line."""
    refusing: Statement | None = None
    """The first statement that cannot run inside a transaction; with `transactional`, a contradiction."""


def transaction_mode(statements: Iterable[Statement], declared: bool | None) -> TransactionMode:
    """Return how a script of these statements runs: as the manifest declares, else as the statements need it."""
    refusing = next((one for one in statements if refuses_transaction(one)), None)
    if declared is not None:
        return TransactionMode(declared, f"`transaction: {str(declared).lower()}` in the manifest", refusing)
    if refusing is None:
        return TransactionMode(True, "every statement can run inside a transaction")
    command = refuses_transaction(refusing)
    return TransactionMode(False, f"`{command}` in line {refusing.line} cannot run inside a transaction", refusing)


def may_commit(statement: Statement) -> bool:
    """Whether it runs code that may contain a COMMIT or ROLLBACK: a CALL, or a DO that spells one."""
    reader = Reader.of(statement)
    if reader.accept("call"):
        return True
    return reader.accept("do") and re.search(r"(?i)\b(?:commit|rollback|call|execute)\b", statement.text) is not None


def _alter_subscription(reader: Reader) -> str | None:
    reader.identifier()
    if reader.accept("refresh"):
        return "ALTER SUBSCRIPTION ... REFRESH"
    action = reader.accept_any("set", "add", "drop")
    if action and reader.accept("publication"):
        refreshes = not reader.skip_to("with") or is_true(_options_after_with(reader).get("refresh", ""))
        return f"ALTER SUBSCRIPTION ... {action.upper()} PUBLICATION" if refreshes else None
    if action == "set" and reader.sees("("):
        options = reader.options()
        if "failover" in options or not is_true(options.get("two_phase", "")):
            return "ALTER SUBSCRIPTION ... SET"
    return None


def _options_after_with(reader: Reader) -> dict[str, str]:
    reader.accept("with")
    return reader.options()


def _alter(reader: Reader) -> str | None:
    match reader.accept_any("system", "database", "subscription", "table"):
        case "system":
            return "ALTER SYSTEM"
        case "database":
            return "ALTER DATABASE ... SET TABLESPACE" if _moves_database(reader) else None
        case "subscription":
            return _alter_subscription(reader)
        case "table":
            return _alter_table(reader)
        case _:
            return None


def _moves_database(reader: Reader) -> bool:
    reader.identifier()
    if reader.accept("set"):
        return reader.accept("tablespace") and not (reader.sees("to") or reader.sees("="))
    reader.accept("with")
    return reader.sees("tablespace")


def _alter_table(reader: Reader) -> str | None:
    reader.accept("if", "exists")
    reader.accept("only")
    reader.name()
    reader.accept("*")
    if reader.accept("detach", "partition") and reader.name() and reader.accept("concurrently"):
        return "ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY"
    return None


def _create(reader: Reader) -> str | None:
    if kind := reader.accept_any("database", "tablespace"):
        return f"CREATE {kind.upper()}"
    if reader.accept("subscription"):
        options = _options_after_with(reader) if reader.skip_to("with", "(") else {}
        makes_slot = options.get("create_slot", options.get("connect", ""))
        return "CREATE SUBSCRIPTION" if is_true(makes_slot) else None
    unique = "UNIQUE " if reader.accept("unique") else ""
    return f"CREATE {unique}INDEX CONCURRENTLY" if reader.accept("index", "concurrently") else None


def _drop(reader: Reader) -> str | None:
    if reader.accept("index", "concurrently"):
        return "DROP INDEX CONCURRENTLY"
    kind = reader.accept_any("database", "tablespace", "subscription")
    return f"DROP {kind.upper()}" if kind else None


def _reindex(reader: Reader) -> str | None:
    options = reader.options() if reader.sees("(") else {}
    kind = reader.accept_any("index", "table", "schema", "database", "system")
    if reader.accept("concurrently") or ("concurrently" in options and is_true(options["concurrently"])):
        return "REINDEX CONCURRENTLY"
    return f"REINDEX {kind.upper()}" if kind in {"schema", "database", "system"} else None


def _cluster(reader: Reader) -> str | None:
    if reader.sees("("):
        reader.options()
    reader.accept("verbose")
    return "CLUSTER" if reader.peek() is None else None


def _vacuum(_: Reader) -> str | None:
    return "VACUUM"


def _discard(reader: Reader) -> str | None:
    return "DISCARD ALL" if reader.accept("all") else None


def _commit(reader: Reader) -> str | None:
    return "COMMIT PREPARED" if reader.accept("prepared") else None


def _rollback(reader: Reader) -> str | None:
    return "ROLLBACK PREPARED" if reader.accept("prepared") else None


def _select(reader: Reader) -> str | None:
    """Know the function of Citus that refuses a transaction (13.2: `PreventInTransactionBlock` in it)."""
    reader.accept("pg_catalog", ".")
    return reader.accept_any("create_distributed_table_concurrently")


_REFUSALS: dict[str, Callable[[Reader], str | None]] = {
    "alter": _alter,
    "cluster": _cluster,
    "commit": _commit,
    "create": _create,
    "discard": _discard,
    "drop": _drop,
    "reindex": _reindex,
    "rollback": _rollback,
    "select": _select,
    "vacuum": _vacuum,
}
