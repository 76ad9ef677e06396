"""What helps against a recorded failure whose cause is not the migration's own text: timeouts, rights, the server.

Pure; made of what a `failed` fact stores under `error`, so a run that fails and a status asked for later say the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.hints import Hint
from zmig.manifest import durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.hints import SuggestedCommand
    from zmig.model import Migration

STATEMENT_TIMEOUT, LOCK_TIMEOUT = "statement_timeout", "lock_timeout"
_FACTORS = {STATEMENT_TIMEOUT: 4, LOCK_TIMEOUT: 10}
"""How much longer than the timeout that was too short the one is that a hint offers."""

_TRANSIENT = ("40", "55P03", "55006")
"""Deadlock and serialization failure, a lock or an object in use: what may have passed when it is tried again.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

_ENDED = ("08", "57P", "25P03", "25P04")
"""The connection, or the session, was ended."""

# Texts of the server, as src/backend/catalog/aclchk.c has them; in another language no right is named.
_RIGHT = re.compile(r'permission denied for (?P<kind>[a-z ]+?) "?(?P<name>[^"]+?)"?')
_OWNER = re.compile(r'must be owner of (?P<kind>[a-z ]+?) "?(?P<name>[^"]+?)"?')
_RIGHTS = {
    "schema": "usage, create on schema",
    "table": "all on table",
    "view": "select on table",
    "sequence": "all on sequence",
    "function": "execute on function",
    "procedure": "execute on procedure",
    "type": "usage on type",
    "language": "usage on language",
    "database": "create on database",
    "tablespace": "create on tablespace",
    "foreign server": "usage on foreign server",
    "foreign-data wrapper": "usage on foreign data wrapper",
}


def remedy_for(
    error: Mapping[str, object], migration: Migration | None, *, role: str | None, again: SuggestedCommand
) -> Hint | None:
    """Return a hint, None where the migration itself has to be corrected.

    `role` is the role that ran it; `again` the command that tries it again.
    """
    helping = _of_statement(error, migration) or _of_server(error, migration, role)
    return Hint(f"{helping}, then ", again) if helping else _wait(error, again)


def _of_statement(error: Mapping[str, object], migration: Migration | None) -> str | None:
    """Return what helps where a statement is in the wrong place."""
    if schema := _text(error, "tables_of_zmig"):
        return f"leave schema `{schema}` as it is, where zmig keeps what it has done"
    if character := _text(error, "character"):
        return f"replace the character {character} with a blank in the file"
    if error.get("code") == "repeat-undecided":
        return "correct the condition in the manifest"
    if error.get("code") == "verify-failed":
        return "correct the migration or its verify query"
    if error.get("is_nested") is True:
        return "write the statement by itself, outside of `do` and of functions"
    if error.get("needs_no_transaction") is True and migration is not None and migration.transaction is not False:
        return f"write `transaction: false` in the manifest entry of `{migration.name}`"
    return None


def _of_server(error: Mapping[str, object], migration: Migration | None, role: str | None) -> str | None:
    """Return what helps where the server could not, or was not allowed to, do what the migration says."""
    sqlstate, message = _text(error, "sqlstate"), _text(error, "message")
    if error.get("timeout") in _FACTORS:
        return _of_timeout(error, migration)
    if sqlstate == "42501":
        return _grant(message, role, migration)
    if error.get("lets_only_read") is True:
        return "leave out what lets the transaction only read"
    if sqlstate == "25006":
        return "connect to the primary server, as a role that may write"
    return "give the server what it lacks" if sqlstate.startswith("53") else None


def _wait(error: Mapping[str, object], again: SuggestedCommand) -> Hint | None:
    """Return when to try again what nothing else has to be done for."""
    sqlstate = _text(error, "sqlstate")
    if sqlstate == "57014":
        return Hint(again, " once nobody cancels it")
    if sqlstate == "XX000":  # an error of the server itself, as where a node of a cluster does not answer
        return Hint("once every server that takes part answers, ", again)
    if sqlstate.startswith(_TRANSIENT):
        return Hint(again, " when what is in its way is over")
    return Hint("once the server answers again, ", again) if sqlstate.startswith(_ENDED) else None


def _text(error: Mapping[str, object], key: str) -> str:
    value = error.get(key)
    return value if isinstance(value, str) else ""


def _of_timeout(error: Mapping[str, object], migration: Migration | None) -> str:
    setting, owner = _text(error, "timeout"), error.get("timeout_of")
    if owner == "file":
        return f"raise the `{setting}` that the file sets"
    if owner != "zmig" or migration is None:
        return f"raise the `{setting}` that a function in it sets"
    now = seconds_of(migration, setting)
    longer = f"write `{setting}: {durations.text(now * _FACTORS[setting])}` in the manifest entry of `{migration.name}`"
    return f"end what holds the lock, or {longer}" if setting == LOCK_TIMEOUT else longer


def seconds_of(migration: Migration, setting: str) -> float:
    """Return a timeout that a migration runs under; 0 means no limit."""
    settings = migration.settings
    return settings.lock_timeout_seconds if setting == LOCK_TIMEOUT else settings.statement_timeout_seconds


def _grant(message: str, role: str | None, migration: Migration | None) -> str:
    """Return what gives the role the right that a message of the server names, where that is in English."""
    who = _quoted(role) if role else "the role"
    owner = _OWNER.fullmatch(message)
    if owner is not None:
        name = f" of `{migration.name}`" if migration is not None else ""
        return f"write `run_as` with the owner of {owner['kind']} `{owner['name']}` in the manifest entry{name}"
    denied = _RIGHT.fullmatch(message)
    right = _RIGHTS.get(denied["kind"]) if denied is not None else None
    if denied is None or right is None:
        return f"grant {who if role is None else f'`{who}`'} the right it lacks"
    if denied["kind"] == "schema" and denied["name"] == "public":
        right = "create on schema"  # all have `usage` on this one
    return f"let its owner run `grant {right} {_quoted(denied['name'])} to {who}`"


def _quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_$]*", name) else '"' + name.replace('"', '""') + '"'
