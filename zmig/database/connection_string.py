"""What a connection string says, and what is wrong with one: forms of other tools, unknown parameters, wrong values.

What you may rely on: a word of the string is shown only where no password can reach it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo

from zmig.errors import Problem, UsageError
from zmig.text.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = "`postgresql://user:password@host:5432/name`"
_ENCODED = "with `%40`, `%2F`, `%3A` and the like for special characters of the password"
_GENERAL = f"write it as {_FORM}, {_ENCODED}"
_SCHEMES = ("postgresql", "postgres")
"""What libpq takes, in lower case only: https://www.postgresql.org/docs/current/libpq-connect.html."""

_ALIASES = frozenset(
    {
        *("pg", "pgsql", "psql", "postgre", "postgis", "pgx", "pgx5", "pq", "ecto", "timescale", "timescaledb"),
        *("timescalegis", "citus", "redshift", "cockroach", "cockroachdb", "crdb", "yugabyte", "yugabytedb"),
    }
)
"""Schemes with which other tools name servers that speak PostgreSQL's protocol."""

_DJANGO_ENGINE = re.compile(r"(?:django\.(?:contrib\.gis\.)?db\.backends\.)?(?:postgresql(?:_psycopg2)?|postgis)")
"""What `ENGINE` is in the settings of Django."""

_OTHER_SERVERS = {
    "mysql": "MySQL",
    "mysql2": "MySQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "sqlite3": "SQLite",
    "sqlserver": "SQL Server",
    "mssql": "SQL Server",
    "oracle": "Oracle",
    "mongodb": "MongoDB",
    "redis": "Redis",
    "clickhouse": "ClickHouse",
}

_SEARCH_PATH = "write `options=-csearch_path%3DNAME` in its place, or remove it"
_POOL = "remove it: zmig works with one connection"
_FOREIGN_PARAMETERS = {
    "schema": _SEARCH_PATH,
    "currentschema": _SEARCH_PATH,
    "search_path": _SEARCH_PATH,
    "pgbouncer": "remove it, and name the server itself: a transaction pooler cannot keep the run's lock",
    "ssl": "write `sslmode=require` in its place",
    "ssl_require": "write `sslmode=require` in its place",
    "sslaccept": "write `sslmode=verify-full` for `strict`, or `sslmode=require`, in its place",
    "sslidentity": "write `sslcert` and `sslkey` in its place",
    "connection_limit": _POOL,
    "pool_timeout": _POOL,
    "pool_size": _POOL,
    "pool_max_conns": _POOL,
    "pool": _POOL,
    "max_overflow": _POOL,
    "socket_timeout": "write `connect_timeout` in its place, or remove it",
    "logintimeout": "write `connect_timeout` in its place",
    "timeout": "write `connect_timeout` in its place",
    "statement_timeout": "write it as `defaults: {statement_timeout: ...}` in the manifest",
    "lock_timeout": "write it as `defaults: {lock_timeout: ...}` in the manifest",
    "database": "write `dbname` in its place",
    "username": "write `user` in its place",
    "applicationname": "write `application_name` in its place",
    "currentpool": _POOL,
    "statement_cache_size": "remove it",
    "preparethreshold": "remove it",
    "prepared_statements": "remove it",
    "serverversion": "remove it",
    "charset": "remove it: zmig always speaks UTF-8",
    "encoding": "remove it: zmig always speaks UTF-8",
    "timezone": "write `options=-ctimezone%3DNAME` in its place, or remove it",
}
"""Parameters of other tools' URLs, in lower case, and what to do about each."""

_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SPELLINGS_OF_SSLMODE = {
    "true": "require",
    "1": "require",
    "on": "require",
    "yes": "require",
    "no-verify": "require",
    "false": "disable",
    "0": "disable",
    "off": "disable",
    "no": "disable",
    "none": "disable",
    "verify": "verify-full",
    "verify-identity": "verify-full",
    "strict": "verify-full",
}
_SECRET = re.compile(r"(?:password|scram_client_key|scram_server_key|oauth_client_secret)\s*=", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+._-]*):(//)?")
_UNKNOWN_PARAMETER = re.compile(r'invalid (?:URI query parameter:|connection option) "([^"]*)"')


def parameters(text: str) -> Mapping[str, str]:
    """Return what a connection string says, in URL or keyword form.

    Raises:
        UsageError: the text is not one, as far as that can be seen without connecting.
    """
    problem = _of_form(text)
    if problem is not None:
        raise UsageError(problem)
    try:
        values = {name: str(value) for name, value in conninfo.conninfo_to_dict(text).items()}
    except psycopg.ProgrammingError as error:
        raise UsageError(_of_libpq(text, str(error).strip())) from None
    except UnicodeError:
        raise UsageError(invalid("it holds octets that are not UTF-8")) from None
    problem = _of_values(text, values) or _of_nothing(text, values)
    if problem is not None:
        raise UsageError(problem)
    return values


def _of_nothing(text: str, found: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with a text that leaves it to libpq's defaults and the environment which database is meant.

    A variable that is not set leaves just such a text; and `PGHOST` or `PGDATABASE` may name any database.
    """
    if any(found.get(name, "").strip() for name in _NAMING):
        return None
    what = "is empty" if not text.strip() else "names neither a host nor a database"
    return Problem(
        "database-missing",
        f"the database URL {what}",
        facts=("libpq's defaults would choose a database; zmig never chooses one silently",),
        effect="nothing was run",
        hint=f"name the database, as in {_FORM} or `postgresql:///name`",
    )


_NAMING = ("host", "hostaddr", "dbname", "service")
"""Parameters that say which database is meant, or where; a service file names both."""


def check_timeout(value: str) -> None:
    """Check PGCONNECT_TIMEOUT, which counts where a connection string has no timeout. Raises UsageError."""
    if not _is_seconds(value):
        message = "the environment variable `PGCONNECT_TIMEOUT` is not a number of seconds"
        hint = "run `export PGCONNECT_TIMEOUT=10`"
        raise UsageError(Problem("database-url-invalid", message, effect="nothing was run", hint=hint))


def invalid(why: str, hint: str = _GENERAL) -> Problem:
    """Return the problem of a text that is no connection string."""
    return Problem("database-url-invalid", f"the database URL is not a connection string: {why}", hint=hint)


def _of_form(text: str) -> Problem | None:
    """Return what is wrong with a text that has the form of something else."""
    bare = text.strip()
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        return invalid("it holds a character that is no text")
    if bare[:1] in ("'", '"', "`"):
        return invalid("it begins with a quote", "remove the quotes around it")
    if re.match(r"psql\s", bare):
        return invalid("it begins with the word `psql`", "write what follows that word, without quotes")
    if bare.startswith("{") and re.search(r"""["']ENGINE["']""", bare):
        keys = "`postgresql://USER:PASSWORD@HOST:PORT/NAME`, with the values of those keys"
        return invalid("it is the settings of Django, in `{...}`", f"write it as {keys}, and {_ENCODED}")
    if bare.startswith("{"):
        return invalid("it is the settings of a program, in `{...}`")
    scheme = _SCHEME.match(bare)
    if scheme is not None:
        return _of_scheme(text, scheme[1], has_slashes=scheme[2] is not None)
    if re.match(r"(?:host|server|data source|user id)\s*=[^;]*;", bare, re.IGNORECASE):
        return invalid("its parts are separated by `;`")
    if bare and "=" not in bare:
        return invalid("it does not begin with `postgresql://`")
    return None


def _of_scheme(text: str, scheme: str, *, has_slashes: bool) -> Problem | None:
    lower = scheme.lower()
    family, _, driver = lower.partition("+")
    if lower == "jdbc":
        hint = f"write it as {_FORM}, without `jdbc:`"
        return invalid("it begins with `jdbc:`, as Java's drivers have it", hint)
    if lower == "db" and not has_slashes:
        return invalid("it begins with `db:`, as sqitch has it", f"write it as {_FORM}, without `db:`")
    if not has_slashes:
        if family in _SCHEMES:
            return invalid(f"`//` is missing after `{scheme}:`", f"write it as {_FORM}")
        return None if "=" in text else invalid("it does not begin with `postgresql://`")
    if scheme in _SCHEMES:
        return None if text.startswith(scheme) else invalid("it begins with a blank", "remove the blank")
    instead = f"write `postgresql://` in place of `{scheme}://`"
    if family in _SCHEMES and driver:
        return invalid(f"its scheme `{scheme}` names a driver, as SQLAlchemy has it", instead)
    if family in _SCHEMES or family in _ALIASES or _DJANGO_ENGINE.fullmatch(lower):
        return invalid(f"its scheme is `{scheme}`, which PostgreSQL's client does not know", instead)
    server = _OTHER_SERVERS.get(family)
    if server is not None:
        return invalid(f"`{scheme}://` names a {server} database, and zmig works with PostgreSQL", f"write {_FORM}")
    return invalid(f"its scheme is `{scheme}`, not `postgresql`")


def _of_libpq(text: str, said: str) -> Problem:
    """Return the problem of a text that libpq cannot read, with as much of its words as is no secret."""
    unknown = _UNKNOWN_PARAMETER.search(said)
    if unknown is None:
        # Without the parts of the URL that libpq quotes: they may be parts of a password.
        shown = _known_parameters() | {"=", "]"}
        return invalid(re.sub(r'"([^"]*)"', lambda quoted: quoted[0] if quoted[1] in shown else '"***"', said))
    name = unknown[1]
    known = sorted(_known_parameters())
    hint = _FOREIGN_PARAMETERS.get(name.lower())
    if not _may_show(text, name):
        masked = "PostgreSQL's client does not know one of its parameters"
        return invalid(masked, f"check what comes after the `?`, and write special characters {_ENCODED}")
    if hint is None:
        near = nearest(name.lower(), known)
        hint = f"write `{near}` in its place" if near else "remove it"
    return invalid(f"PostgreSQL's client does not know its parameter `{name}`", hint)


def _known_parameters() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())


def _may_show(text: str, word: str) -> bool:
    """Whether a word of a connection string cannot be part of a password, which people write without encoding it.

    In a URL, a password may reach up to the last `@`, and after a parameter that holds one, up to the end.
    """
    begin = text.find(word)
    if begin < 0 or not word.isprintable() or _SECRET.search(text, 0, begin) is not None:
        return False
    if "://" not in text:
        return True
    authority, _, query = text.partition("://")[2].partition("?")
    host = re.sub(r"\[[^\[\]]*\]", "", authority.rpartition("@")[2])
    return "@" not in query and re.search(r":(?!\d*(?:[/,]|$))", host) is None


def _of_values(text: str, found: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with a value that libpq or psycopg would refuse without saying what to write."""
    if re.fullmatch(r"[0-9,]*", found.get("port", "")) is None:
        return invalid("its port is not a number")
    timeout = found.get("connect_timeout")
    if timeout is not None and not _is_seconds(timeout):
        return invalid("its `connect_timeout` is not a number of seconds", "write `connect_timeout=10`")
    sslmode = found.get("sslmode")
    if sslmode is not None and sslmode not in _SSLMODES:
        return _of_sslmode(text, sslmode)
    return None


def _of_sslmode(text: str, value: str) -> Problem:
    plain = value.strip().lower().replace("_", "-")
    meant = _SPELLINGS_OF_SSLMODE.get(plain) or nearest(plain, _SSLMODES) or "require"
    shown = f"`{value}`" if _may_show(text, value) else "an unknown word"
    return Problem(
        "database-url-invalid",
        f"the database URL is not a connection string: its `sslmode` is {shown}",
        facts=(f"sslmode: {', '.join(_SSLMODES)}",),
        hint=f"write `sslmode={meant}`",
    )


def _is_seconds(value: str) -> bool:
    """Whether psycopg and libpq both take a text as seconds."""
    return re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", value) is not None
