"""What zmig does about each setting that can change what SQL means, what is seen, or how long a session waits.

A server, a database or a role may set any of them for its sessions. zmig has two sets of values: one for its own
reading, which a connection has from its first message on, and one for the working session while migrations run; in
that they are to find what psql would give them. `docs/settings.md` shows the table. What each setting does is said in
the PostgreSQL documentation, chapter "Server Configuration".
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY


class Treatment(StrEnum):
    """What is done about a setting."""

    SET = "set"
    CHECKED = "checked"
    """Looked at before it could do harm, and acted upon."""
    REFUSED = "refused"
    """Nothing runs where it has another value."""
    LEFT = "left"
    """As the administrator or the migration has it: it changes nothing that zmig does."""


@valueclass
class Setting:
    """One setting, and what is done about it."""

    name: str
    treatment: Treatment
    why: str
    _: KW_ONLY
    own: str | None = None
    """SQL of its value for zmig's own reading; None where that is left as it is."""
    running: str | None = None
    """SQL of its value while migrations run; None where they find what psql would give them."""
    since: int = 0
    """The first `server_version_num` that has it."""


OWN_SEARCH_PATH = "pg_catalog, pg_temp"
"""The schemas in which zmig's own statements look, wherever no migration is at work.

Nobody but a superuser can put anything into `pg_catalog`; `pg_temp` would come first if it were not named. Cleaning a
session (`reset all`) ends it, so what is sent around a migration's statements qualifies each name and each operator.
"""

_NEVER = "'0'"
FLUSHED = (
    "case when pg_catalog.current_setting('synchronous_commit') operator(pg_catalog.=) 'off' then 'local' "
    "else pg_catalog.current_setting('synchronous_commit') end"
)
"""SQL of the value with which a commit waits until it is flushed, and for standbys as the administrator has it."""

CHECK_INTERVAL = "client_connection_check_interval"
"""Set where the server can heed it, which depends on its operating system."""


USER_TIMEOUT = "tcp_user_timeout"
"""Set where the server can heed it, which depends on its operating system."""

IDLE_IN_TRANSACTION = "idle_in_transaction_session_timeout"
LONGEST_IDLE = "'60s'"
"""SQL of how long a transaction may be idle that runs an SQL file: its client only reads on in the meantime."""

PLANNED_ONCE = {"plan_cache_mode": "'force_generic_plan'", "enable_seqscan": "'off'"}
"""As SQL, with what a prepared statement is planned once, and not for the values of each execution.

Facts may be few then, and many before it is planned again: so they are looked up by an index in any case.
"""


def _set(name: str, value: str, why: str, *, since: int = 0) -> Setting:
    return Setting(name, Treatment.SET, why, own=value, running=value, since=since)


def _own(name: str, value: str, why: str) -> Setting:
    return Setting(name, Treatment.SET, why, own=value)


def _limit(name: str, *, since: int = 0) -> Setting:
    why = "no inherited limit ends a migration, whose own limits are the manifest's; reads such as `status` keep to it"
    return Setting(name, Treatment.SET, why, own=None, running=_NEVER, since=since)


def _left(name: str, why: str, *, since: int = 0) -> Setting:
    return Setting(name, Treatment.LEFT, why, since=since)


_MIGRATION = "migrations find what psql would give them"
_SQL = "so in Python and in batches; other SQL finds what psql would give it"
_PSQL = "its statements are sent so that the server reads each as it would from psql"

_WRITING = frozenset({"DateStyle", "IntervalStyle", "extra_float_digits"})

TABLE = (
    # what a statement means
    Setting(
        "standard_conforming_strings",
        Treatment.CHECKED,
        "files are split by its value for the role and the database; where one changes it, a statement that would then "
        "end elsewhere is refused; " + _PSQL,
    ),
    Setting("backslash_quote", Treatment.CHECKED, f"zmig writes no `\\'`; {_PSQL}"),
    _left("escape_string_warning", "only warns"),
    Setting("client_encoding", Treatment.SET, "zmig speaks UTF-8, and says so again after a file that changes it"),
    _own(
        "search_path",
        f"'{OWN_SEARCH_PATH}'",
        f"nobody's functions or operators stand in for the server's; {_MIGRATION}",
    ),
    _left("array_nulls", f"zmig writes no array with a null; {_MIGRATION}"),
    _left("transform_null_equals", f"zmig compares nothing with null; {_MIGRATION}"),
    _left("xmloption", f"zmig writes no XML; {_MIGRATION}"),
    _left("xmlbinary", f"zmig writes no XML; {_MIGRATION}"),
    _left("check_function_bodies", _MIGRATION),
    _left("session_replication_role", f"zmig relies on no trigger; {_MIGRATION}"),
    _left("event_triggers", f"zmig relies on no event trigger; {_MIGRATION}", since=170000),
    _left("default_tablespace", f"zmig's tables go where the administrator wants tables; {_MIGRATION}"),
    _left("temp_tablespaces", _MIGRATION),
    _left("default_table_access_method", f"zmig's tables go where the administrator wants tables; {_MIGRATION}"),
    _left("default_toast_compression", _MIGRATION, since=140000),
    _left("createrole_self_grant", _MIGRATION, since=160000),
    _left("lo_compat_privileges", _MIGRATION),
    _left("default_text_search_config", _MIGRATION),
    _left("icu_validation_level", _MIGRATION, since=160000),
    _left("password_encryption", _MIGRATION),
    # what is seen, and how values are written
    Setting(
        "row_security",
        Treatment.REFUSED,
        "where a policy may hide facts, what was applied would look as if it were not; zmig's own reading has it off, "
        f"with which the server refuses, too; {_MIGRATION}",
        own="'off'",
    ),
    _left("restrict_nonsystem_relation_kind", "zmig reads and writes ordinary tables only"),
    _own("DateStyle", "'ISO'", f"times are written as they can be read; {_SQL}"),
    _own("IntervalStyle", "'postgres'", f"intervals are written as they can be read; {_SQL}"),
    _own("extra_float_digits", "'1'", f"numbers are written in full; {_SQL}"),
    _own("quote_all_identifiers", "'off'", f"names are shown as they are written; {_MIGRATION}"),
    _left("bytea_output", f"both forms can be read; {_MIGRATION}"),
    _left("TimeZone", f"times are written with their offset; {_MIGRATION}"),
    _left("timezone_abbreviations", f"zmig uses none; {_MIGRATION}"),
    _left("lc_messages", "errors are known by SQLSTATE"),
    _left("lc_monetary", f"zmig reads no money; {_MIGRATION}"),
    _left("lc_numeric", f"zmig formats nothing with it; {_MIGRATION}"),
    _left("lc_time", f"zmig formats nothing with it; {_MIGRATION}"),
    _left("client_min_messages", "notices are shown as the administrator wants them"),
    # what a transaction is
    Setting(
        "synchronous_commit",
        Treatment.SET,
        "what a run said is done is on disk: off becomes local",
        own=FLUSHED,
        running=FLUSHED,
    ),
    Setting("default_transaction_read_only", Treatment.REFUSED, "nothing could be recorded"),
    _own("default_transaction_isolation", "'read committed'", f"each reading sees what is committed; {_MIGRATION}"),
    _own("default_transaction_deferrable", "'off'", f"a reading waits for nobody; {_MIGRATION}"),
    _left("transaction_isolation", "holds for one transaction"),
    _left("transaction_read_only", "holds for one transaction"),
    _left("transaction_deferrable", "holds for one transaction"),
    _set("exit_on_error", "'off'", "a statement that fails must not end the session, so that it is recorded"),
    # how long something waits
    _limit("statement_timeout"),
    _limit("lock_timeout"),
    _limit("transaction_timeout", since=170000),
    _set(
        IDLE_IN_TRANSACTION,
        _NEVER,
        "a client that hangs between two statements of an SQL file keeps its locks for a minute; Python code may work "
        "for longer",
    ),
    _set("idle_session_timeout", _NEVER, "the session that holds the lock stays", since=140000),
    _left("deadlock_timeout", "only delays the search for a deadlock"),
    Setting(
        CHECK_INTERVAL, Treatment.SET, "a backend notices within half a second that its client is gone", since=140000
    ),
    _set("tcp_keepalives_idle", "'10'", "a silent network is noticed"),
    _set("tcp_keepalives_interval", "'5'", "a silent network is noticed"),
    _set("tcp_keepalives_count", "'3'", "a silent network is noticed"),
    Setting(
        USER_TIMEOUT,
        Treatment.SET,
        "an answer that is never acknowledged holds no lock for longer than 20 s, on Linux; off from the moment on at "
        "which Python code has rows streamed to it, which it may take slowly",
    ),
    # how statements are carried out
    _left("plan_cache_mode", "changes no result"),
    _left("jit", "changes no result"),
    _left("synchronize_seqscans", "zmig orders what it reads"),
)


READABLE = {one.name: one.own for one in TABLE if one.name in _WRITING and one.own is not None}
"""SQL of the values with which the server writes what the driver can read, and exactly."""


def own(version: int) -> dict[str, str]:
    """Return the values for zmig's own reading, as SQL, on a server of this version."""
    return {setting.name: setting.own for setting in TABLE if setting.own is not None and version >= setting.since}


def running(version: int) -> dict[str, str]:
    """Return the values of the working session while migrations run, as SQL, on a server of this version."""
    return {
        setting.name: setting.running for setting in TABLE if setting.running is not None and version >= setting.since
    }


def as_given_sql(version: int) -> tuple[str, ...]:
    """Return the statements that give a transaction the values psql would find, in place of those for zmig's reading.

    What is the project's own, such as a condition, is asked with them.
    """
    pinned = own(version).keys() - running(version).keys()
    return tuple(f"set local {name} to default" for name in sorted(pinned))


def set_config(values: Mapping[str, str], *, local: bool) -> str:
    """Return calls that give settings values, which are SQL: until the transaction's end, or the session's."""
    scope = str(local).lower()
    return ", ".join(f"pg_catalog.set_config('{name}', {value}, {scope})" for name, value in values.items())
