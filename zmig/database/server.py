"""What answers at the other end of a connection, and the statements that give a session its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database import settings, tcp
from zmig.sql.encoding import Encoding
from zmig.sql.quoting import literal
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY

    from zmig.database.types import Questioning

_CHECK_INTERVAL_SINCE = 140000
_CHECK_INTERVAL_SINCE_ELSEWHERE = 160000
"""On systems other than Linux; not on Windows."""

HAS_EVENT_TRIGGERS = "exists (select from pg_catalog.pg_event_trigger where evtenabled operator(pg_catalog.<>) 'D')"
"""SQL that is true where some code of the database's runs after every command that defines something."""

_QUERY = """
select case when pg_catalog.pg_backend_pid() operator(pg_catalog.=) {announced} then array[{settings}] end is not null,
    pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version_num')::int, pg_catalog.version(),
    pg_catalog.quote_ident(current_user), pg_catalog.current_setting('standard_conforming_strings'),
    exists (select from pg_catalog.pg_extension where extname operator(pg_catalog.=) 'citus'), {event_triggers}
"""

_IDENTITY = """,
    (select system_identifier::pg_catalog.text from pg_catalog.pg_control_system()),
    case when not pg_catalog.pg_is_in_recovery()
        then pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) end,
    (select oid::pg_catalog.int8 from pg_catalog.pg_database
        where datname operator(pg_catalog.=) pg_catalog.current_database())
"""
"""What distinguishes one server, one history of its WAL and one database from others.

A WAL file's name begins with the timeline, which pg_control_checkpoint() knows only after the first checkpoint of a
new one (PostgreSQL documentation, "Timelines", and the comment of XLogFileName).
"""


@valueclass
class Identity:
    """Which database it is, on which server, in which history of that."""

    system: str
    """The system identifier: a whole number that physical copies of a server share."""
    timeline: int | None
    """The number that every promotion and every restore from a backup raises; None on a standby."""
    database: int
    """The oid of the database."""

    def data(self) -> dict[str, object]:
        """Return what a fact holds of it."""
        return {"system": self.system, "timeline": self.timeline, "database": self.database}


@valueclass
class Server:
    """One session's server process."""

    _: KW_ONLY
    backend_pid: int
    """Its process id; behind a pooler not the one libpq knows of."""
    version: int
    """As in `server_version_num`."""
    watches_client: bool
    """Whether it can notice, while a statement runs, that its client is gone."""
    role: str
    """The role that the session acts as, quoted where SQL needs that."""
    standard_conforming_strings: str
    """How the session reads a backslash in a constant, unless a migration changes that."""
    has_citus: bool = False
    """Whether Citus is installed in the database: what is done here may be done on other servers, too."""
    has_event_triggers: bool = False
    """Whether code of the database's ran after every command that defines something, when the session began."""
    identity: Identity | None = None
    """Which database it is; None where the server does not say."""
    is_on_linux: bool = False
    """Whether its system is Linux, whose TCP notices that what was sent is not acknowledged."""

    @property
    def conforms(self) -> bool:
        """Whether a backslash stands for itself in the ordinary strings of a migration."""
        return self.standard_conforming_strings == "on"

    @property
    def settings_stay_sql(self) -> tuple[str, ...]:
        """What keeps the settings that follow in the open transaction to this server; nothing but for Citus.

        Where `citus.propagate_set_commands` is `local`, Citus sends the whole message in which a setting is to each
        node that takes part in the transaction, and to those that join it later.
        """
        stay = "select pg_catalog.set_config('citus.propagate_set_commands', 'none', true)"
        return (stay,) if self.has_citus else ()

    @property
    def may_share_flush(self) -> bool:
        """Whether migrations that only define something may share the flush of WAL and what is prepared.

        Decided once for a run. Not where such commands run somebody's code, which may act outside of the transaction,
        nor where other servers commit with this one.
        """
        return not (self.has_event_triggers or self.has_citus)

    def settings_sql(self, application_name: str) -> str:
        """Return the statement that gives a working session its name, and what holds while migrations run."""
        return f"select {settings.set_config(self._running(application_name), local=False)}"

    def prepare_sql(self, application_name: str) -> str:
        """Return the statement that adds to `settings_sql` what holds for zmig's own reading."""
        values = settings.own(self.version) | self._running(application_name)
        return f"select {settings.set_config(values, local=False)}"

    def _running(self, application_name: str) -> dict[str, str]:
        watching = {settings.CHECK_INTERVAL: literal("500ms")} if self.watches_client else {}
        if self.is_on_linux:
            watching[settings.USER_TIMEOUT] = literal(str(tcp.USER_TIMEOUT_MILLISECONDS))
        return {"application_name": literal(application_name), **settings.running(self.version), **watching}

    def reset_sql(self, application_name: str) -> tuple[str, ...]:
        """Return the statements that undo what a migration did to the session, keeping its advisory locks.

        `DISCARD ALL` would release the locks, and `RESET ALL` alone leaves a `SET ROLE` in force.
        """
        return (*_RESETS, self.settings_sql(application_name), "deallocate all", *_DISCARDS)

    def clean_sql(self, application_name: str) -> tuple[str, ...]:
        """Return `reset_sql` in a transaction of its own.

        A message is one implicit transaction, which has begun with the defaults a migration may have left: what
        follows the reset in the same message must not run in a transaction that is read-only.
        """
        return ("begin", *self.reset_sql(application_name), "commit")

    def reset_inside_sql(self, application_name: str) -> tuple[str, ...]:
        """Return `reset_sql` for inside of the transaction that is open."""
        return (*self.settings_stay_sql, *self.reset_sql(application_name))


def reset_by_sql(*settings_sql: str) -> tuple[str, ...]:
    """Return `Server.reset_sql` with another form of its settings, for a session that keeps what is prepared."""
    return (*_RESETS, *settings_sql, *_DISCARDS)


_RESETS = ("reset session authorization", "reset role", "reset all")
_DISCARDS = ("close all", "unlisten *", "discard temp", "discard sequences")


def identify(connection: Questioning, limits: Mapping[str, str]) -> Server:
    """Ask the server what it is, and give the session what holds for zmig's own reading, in one round trip.

    `limits` holds more settings, as SQL. Behind a pooler, which announces another process than the one that answers,
    nothing is set: others may get that process next (see `zmig.database.pooled_queries`).
    """
    values = {**settings.own(connection.info.server_version), **limits}
    query = _QUERY.format(
        announced=connection.info.backend_pid,
        settings=settings.set_config(values, local=False),
        event_triggers=HAS_EVENT_TRIGGERS,
    )
    try:
        row = connection.execute(f"{query}{_IDENTITY}".encode()).fetchone()
    except Exception as error:
        if getattr(error, "sqlstate", None) is None or connection.closed or connection.broken:
            raise
        # A service that has no such functions, or an administrator who took the right to call them.
        row = connection.execute(f"{query}, null, null, null".encode()).fetchone()
    _, pid, version, text, role, strings, has_citus, has_event_triggers, system, file, database = cast("_Row", row)
    identity = None
    if system is not None and database is not None:
        identity = Identity(system, None if file is None else int(file[:_TIMELINE_DIGITS], 16), database)
    text = text.lower()
    watches_client, is_on_linux = _watches_client(version, text), "linux" in text
    return Server(
        backend_pid=pid,
        version=version,
        watches_client=watches_client,
        role=role,
        standard_conforming_strings=strings,
        has_citus=has_citus,
        has_event_triggers=has_event_triggers,
        identity=identity,
        is_on_linux=is_on_linux,
    )


_Row = tuple[bool, int, int, str, str, str, bool, bool, "str | None", "str | None", "int | None"]
_TIMELINE_DIGITS = 8


def _watches_client(version: int, text: str) -> bool:
    if "linux" in text:
        return version >= _CHECK_INTERVAL_SINCE
    is_windows = any(word in text for word in ("windows", "mingw", "msvc", "visual c++"))
    return version >= _CHECK_INTERVAL_SINCE_ELSEWHERE and not is_windows


def watching(version: int) -> dict[str, str]:
    """Return the setting with which a session that only reads ends soon after its client, as SQL, where that is known.

    Of other systems than Linux it is not, before they were asked.
    """
    if version < _CHECK_INTERVAL_SINCE:
        return {}
    is_on_linux = "pg_catalog.version() operator(pg_catalog.~~*) '%linux%'"
    return {settings.CHECK_INTERVAL: f"case when {is_on_linux} then '500ms' else '0' end"}


def encoding_of(connection: Questioning) -> Encoding:
    """Return the encoding of the database that a connection leads to."""
    return Encoding(connection.info.parameter_status("server_encoding") or "UTF8")
