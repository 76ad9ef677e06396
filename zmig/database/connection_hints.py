"""What helps against what a server, or the way to it, says: one hint for each kind of refusal. Pure."""

from __future__ import annotations

import re

from zmig.errors import Problem

_TO_CONNECT = (
    (
        r'definition of service "[^"]*" not found|service file "[^"]*" not found',
        "define the service in ~/.pg_service.conf, or correct `service` in {url}",
    ),
    (r'for connection option "(\w+)"|invalid "?(?!integer)(\w+)"? value', "correct `{option}` in {url}"),
    (r"invalid port number|port numbers to", "correct the port in {url}"),
    (r'role "[^"]*" does not exist', "create the role, or correct the user in {url}"),
    (r'"[^"]*" does not exist', "create it, or correct the name in {url}"),
    (r"authentication failed", "correct the user or the password in {url}"),
    (r"no password supplied", "put the password into the URL, or into PGPASSWORD or a password file"),
    (r"not permitted to log in", "give the role the right to log in, or use another one in {url}"),
    (r"permission denied for database", "grant the role `connect` on the database, or use another one"),
    (r"not currently accepting connections", "let it accept them with `alter database ... allow_connections true`"),
    (
        r"is starting up|is shutting down|in recovery mode|not yet accepting connections",
        "wait until the server is ready, then run the same command",
    ),
    (
        r"no pg_hba\.conf entry(?!.*(?:, SSL encryption|, SSL on)).*(?:, no encryption|, SSL off)",
        "add `sslmode=require` to {url}, since the server may admit encrypted connections only",
    ),
    (r"no pg_hba\.conf entry", "let the server's pg_hba.conf admit this machine, user and database"),
    (r"does not support SSL", "let the server use SSL, or write another `sslmode` in {url}"),
    (r"certificate", "name the authority that signed it as `sslrootcert` in {url}"),
    (r"timeout expired", "check host and port, and that a firewall lets this machine through"),
    (r"could not translate host name|name resolution", "correct the host name in {url}"),
    (r"too many connections for", "close other connections, or raise the connection limit it names"),
    (r"too many|remaining connection slots", "close other connections, or raise max_connections on the server"),
)
"""Signs in what libpq says of a connection that failed, which it gives no SQLSTATE; the first one counts.

`{option}` in a hint is what the sign's group found, `{url}` is where the connection string is written."""

AGAIN = "run the same command again"

_TO_GO_ON = (
    ("42501", "grant the right to the role in {url}, or use another role"),
    ("25006", "connect to the primary server, as a role that may write"),
    ("57014", "run the same command again, or raise the `statement_timeout` of the role or the database"),
    ("55P03", AGAIN),
    ("40", AGAIN),
    ("53", "give the server what it lacks, then run the same command"),
)
"""Beginnings of SQLSTATEs of errors in zmig's own statements; the first one counts."""


_LONGEST_LOOKED_AT = 2_000
"""In characters; whoever answers at the other end may say what it likes."""


MANIFEST_URL = "`database.url`"
GIVEN_URL = "`--database-url`"


def for_failed_connection(reason: str, url: str = MANIFEST_URL) -> str:
    """Return what helps where no connection comes about, by what libpq says, in one line.

    `url` is where the connection string is written.
    """
    reason = reason[:_LONGEST_LOOKED_AT]
    for sign, hint in _TO_CONNECT:
        match = re.search(sign, reason)
        if match is not None:
            return hint.format(option=next(filter(None, match.groups()), ""), url=url)
    return f"check that the server runs and that host and port in {url} are right"


def for_sqlstate(sqlstate: str | None, url: str = MANIFEST_URL) -> str:
    """Return what helps where the server refuses one of zmig's own statements."""
    for beginning, hint in _TO_GO_ON:
        if sqlstate is not None and sqlstate.startswith(beginning):
            return hint.format(url=url)
    return "remove what is in its way on the server, then run the same command"


def cancelled(message: str, facts: tuple[str, ...]) -> Problem:
    """Return what to report where somebody cancelled what zmig asked; `message` is the server's."""
    return Problem(
        "database-refused",
        f"somebody cancelled what zmig asked: {message}",
        facts=facts,
        effect="nothing was run",
        hint=AGAIN,
    )


def is_cancelled(sqlstate: str | None, message: str) -> bool:
    """Whether somebody cancelled a statement, as far as the language that the server speaks says.

    A statement that took too long has the same SQLSTATE.
    """
    return sqlstate == "57014" and message.startswith("canceling statement due to user request")
