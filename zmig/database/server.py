"""What answers at the other end of a connection, and the settings that a working session has there."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from zmig.database.quoting import literal
from zmig.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.database.connection import Connection

_CHECK_INTERVAL_SINCE = 140000
_CHECK_INTERVAL_SINCE_ELSEWHERE = 160000
"""On systems other than Linux; not on Windows."""
_IDLE_SESSION_TIMEOUT_SINCE = 140000
_TRANSACTION_TIMEOUT_SINCE = 170000

OWN_SEARCH_PATH = "pg_catalog, pg_temp"
"""The schemas in which zmig's own statements look, wherever no migration is at work.

Nobody but a superuser can put anything into `pg_catalog`; `pg_temp` would come first if it were not named. Cleaning a
session (`reset all`) ends it, so what is sent around a migration's statements qualifies each name and each operator.
"""

HAS_EVENT_TRIGGERS = "exists (select from pg_catalog.pg_event_trigger where evtenabled operator(pg_catalog.<>) 'D')"
"""SQL that is true where some code of the database's runs behind every command that defines something."""

_QUERY = f"""
select pg_catalog.set_config('search_path', '{OWN_SEARCH_PATH}', false),
    pg_catalog.set_config('quote_all_identifiers', 'off', false),
    pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version_num')::int, pg_catalog.version(),
    pg_catalog.quote_ident(current_user), pg_catalog.current_setting('standard_conforming_strings'),
    exists (select from pg_catalog.pg_extension where extname operator(pg_catalog.=) 'citus'), {HAS_EVENT_TRIGGERS}
"""


@frozen
class Server:
    """One session's server process."""

    backend_pid: int
    """Its process id; behind a pooler not the one libpq was told."""
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
    """Whether code of the database's ran behind every command that defines something, when the session began."""

    @property
    def settings_stay_sql(self) -> tuple[str, ...]:
        """What keeps the settings that follow in the open transaction to this server; nothing but for Citus.

        Where `citus.propagate_set_commands` is `local`, Citus sends the whole message in which a setting stands to each
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
        """Return the statement that gives a working session its name and limits, whatever the role or database sets.

        The server notices a vanished client while a statement runs (`client_connection_check_interval`) or through
        TCP keepalives; no inherited timeout may end a migration; times are written as they can be read.
        """
        settings = {
            "application_name": application_name,
            "datestyle": "ISO",
            "lock_timeout": "0",
            "statement_timeout": "0",
            "idle_in_transaction_session_timeout": "0",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        if self.watches_client:
            settings["client_connection_check_interval"] = "500ms"
        if self.version >= _IDLE_SESSION_TIMEOUT_SINCE:
            settings["idle_session_timeout"] = "0"
        if self.version >= _TRANSACTION_TIMEOUT_SINCE:
            settings["transaction_timeout"] = "0"
        return f"select {set_config({name: literal(value) for name, value in settings.items()}, local=False)}"

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


def reset_by_sql(settings_sql: str) -> tuple[str, ...]:
    """Return `Server.reset_sql` with another form of its settings, for a session that keeps what is prepared."""
    return (*_RESETS, settings_sql, *_DISCARDS)


_RESETS = ("reset session authorization", "reset role", "reset all")
_DISCARDS = ("close all", "unlisten *", "discard temp", "discard sequences")


def set_config(settings: Mapping[str, str], *, local: bool) -> str:
    """Return calls that give settings values, which are SQL: until the transaction's end, or the session's."""
    scope = str(local).lower()
    return ", ".join(f"pg_catalog.set_config('{name}', {value}, {scope})" for name, value in settings.items())


def look(connection: Connection) -> Server:
    """Ask the server that a connection leads to what it is; from then on its session has `OWN_SEARCH_PATH`."""
    row = connection.execute(_QUERY.encode()).fetchone()
    _, _, pid, version, text, role, strings, has_citus, has_event_triggers = cast(
        "tuple[str, str, int, int, str, str, str, bool, bool]", row
    )
    watches_client = _watches_client(version, text.lower())
    return Server(pid, version, watches_client, role, strings, has_citus, has_event_triggers)


def _watches_client(version: int, text: str) -> bool:
    if "linux" in text:
        return version >= _CHECK_INTERVAL_SINCE
    is_windows = any(word in text for word in ("windows", "mingw", "msvc", "visual c++"))
    return version >= _CHECK_INTERVAL_SINCE_ELSEWHERE and not is_windows
