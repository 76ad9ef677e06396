"""Scratch databases: where they come from, and that nothing of them stays.

They are on the server that is named, each under a name that no other run uses, or on a private server that exists for
as long as it is needed. What a killed run leaves is found by the next one: the private server by its folder, which
nobody holds any more, a database by its name and owner.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo

from zmig.catalog.objects import major
from zmig.database import connection as database
from zmig.errors import ConnectionFailed, ManifestError, Problem, ServerError, UsageError, ZmigError
from zmig.manifest.declaration import DatabaseUrl, EmbeddedDatabase
from zmig.project import text_file
from zmig.sql.quoting import identifier, literal
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Set

    from zmig.database.connection import Target, WorkingConnection
    from zmig.project.project import Project

_WRITTEN_IN = "`--scratch-url`"
_FOLDER = "zmig-scratch-"
_DATABASE = "zmig_scratch_"
_APPLICATION = "zmig scratch "
_NAMED = re.compile(rf"{_DATABASE}(?P<began>[0-9a-f]{{8}})_(?P<run>[0-9a-f]{{8}})_[0-9]+")
_LEFT_AFTER_SECONDS = 3600
"""A database whose run cannot be seen may belong to one that reaches the server through a pooler, until it is old."""
_SECONDS_TO_LEAVE = 2.0
"""How long sessions have to end by themselves, of which the server may know a little longer than their clients."""
_SECONDS_BETWEEN_LOOKS = 0.002
_UNKNOWN = (
    "which version of PostgreSQL the manifest's database has is not known, since it does not answer; "
    "`lint: {postgres_version: ...}` in the manifest says it"
)
_MAKES_ROLE = re.compile(r'\b(?:role|user|group)\s+(?:"(?P<quoted>[^"]*)"|(?P<name>\w*))', re.IGNORECASE)
_SECONDS_TO_ASK = "3"
_FILE_COPY_SINCE = 150000
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 1 << 30
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "50",
    "max_prepared_transactions": "10",
    "max_wal_size": "256MB",
}
"""Nothing on a private server outlives its run, so nothing is flushed."""
_LEFTOVERS = f"""
select d.datname::text from pg_catalog.pg_database d join pg_catalog.pg_roles r on r.oid = d.datdba
where r.rolname = current_user and d.datname like '{_DATABASE.replace("_", "!_")}%' escape '!' and not exists (
    select from pg_catalog.pg_stat_activity a
    where a.datname = d.datname or a.application_name = '{_APPLICATION}' || pg_catalog.split_part(d.datname, '_', 4)
)
"""
_MISSING_ROLE = re.compile(r'role "(.*)" does not exist', re.DOTALL)
_RIGHTS = "select rolsuper or rolcreatedb, rolname::text from pg_catalog.pg_roles where rolname = current_user"


class Scratch:
    """Where scratch databases are made; each is named by a connection string."""

    def __init__(
        self,
        target: Target,
        connection: WorkingConnection,
        run: str,
        *,
        is_private: bool,
        is_made: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`is_made` says whether a migration makes a role, so that one that is new on the server is theirs."""
        self._target = target
        self._connection = connection
        self._prefix = f"{_DATABASE}{int(time.time()):08x}_{run}"
        self._numbers = itertools.count()
        self._made: list[str] = []
        self.redact = target.redactor
        """Returns a text without the secrets of the server's URL."""
        self.is_private = is_private
        """Whether the server is zmig's own, so that it has no roles but those that are made here."""
        self._is_made = is_made
        self._first_roles = self.roles()
        self.server_version = connection.info.server_version
        """As in `server_version_num`."""
        self.remark: str | None = None
        """What is to be known of how the server was chosen."""

    @property
    def server(self) -> str:
        """The connection string of the server's own database, in which nothing is ever made."""
        return self._target.conninfo

    def create(self) -> str:
        """Make an empty database; return its connection string. Raises ZmigError where the server refuses."""
        return self._make("template0")

    def clone(self, of: str) -> str:
        """Make a copy of a database that was made here; sessions that are left in it are ended first."""
        template = _name(of)
        self._end_sessions(template)
        return self._make(template)

    def drop(self, url: str) -> None:
        """Drop a database that was made here, whoever uses it."""
        name = _name(url)
        assert name in self._made, "only what was made here is dropped"
        with database.translated(self._target):
            self._connection.execute(f"drop database if exists {identifier(name)} with (force)".encode())
        self._made.remove(name)

    def add_role(self, name: str, *, may_all: bool = False) -> bool:
        """Make a role that cannot log in, unless the server is somebody's; return whether it was made.

        `may_all` is for a role that migrations run as: which rights it has is for nobody to know here.
        """
        if self.is_private:
            rights = "superuser" if may_all else ""
            with database.translated(self._target), suppress(psycopg.errors.DuplicateObject):
                self._connection.execute(f"create role {identifier(name)} nologin {rights}".encode())
        return self.is_private

    def roles(self) -> set[str]:
        """Return the names of all roles on the server, which are in no database, and so outlive each."""
        with database.translated(self._target):
            return _roles(self._connection)

    def keep_roles(self, kept: Set[str]) -> None:
        """Drop the roles that migrations have made meanwhile; nothing is theirs.

        Of a server that is somebody's, only those that the files of migrations make: others may have made the rest.
        """
        self._drop_roles(self._connection, self.roles() - kept)

    def drop_all(self) -> None:
        """Drop what is left, over a connection that nothing before can have broken; what fails, the next run finds."""
        with suppress(ZmigError, psycopg.Error), _connected(self._target, "zmig") as connection:
            for name in reversed(self._made):
                with suppress(psycopg.Error):
                    connection.execute(f"drop database if exists {identifier(name)} with (force)".encode())
            if not self.is_private:  # else the server goes, too
                self._drop_roles(connection, _roles(connection) - self._first_roles)

    def _drop_roles(self, connection: WorkingConnection, names: Set[str]) -> None:
        for name in sorted(names):
            if self.is_private or self._is_made(name):
                with suppress(psycopg.Error):
                    connection.execute(f"drop role {identifier(name)}".encode())

    def _make(self, template: str) -> str:
        name = f"{self._prefix}_{next(self._numbers)}"
        self._made.append(name)
        # Copying files is the faster way where nothing is flushed.
        is_quick = self.is_private and self.server_version >= _FILE_COPY_SINCE
        strategy = " strategy file_copy" if is_quick else ""
        try:
            self._connection.execute(
                f"create database {identifier(name)} template {identifier(template)}{strategy}".encode()
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise _no_right(self._connection) from error
        except psycopg.Error as error:
            with database.translated(self._target):
                raise error from None
        return conninfo.make_conninfo(self._target.conninfo, dbname=name)

    def _end_sessions(self, name: str) -> None:
        """Wait until nobody is in a database, which is quicker than the server's own waiting; then end who is left."""
        others = f"from pg_catalog.pg_stat_activity where datname = {literal(name)} and backend_type = 'client backend'"
        end = time.monotonic() + _SECONDS_TO_LEAVE
        with database.translated(self._target):
            while self._connection.execute(f"select count(*) {others}".encode()).fetchone() != (0,):
                if time.monotonic() > end:
                    self._connection.execute(f"select pg_catalog.pg_terminate_backend(pid) {others}".encode())
                time.sleep(_SECONDS_BETWEEN_LOOKS)


def server_error(error: BaseException | None) -> psycopg.Error | None:
    """Return what the server said, if that is what an error came of."""
    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__
    return error


def missing_role(error: BaseException) -> str | None:
    """Return the role that a migration failed for the want of; None where it failed for another reason."""
    said = server_error(error)
    if not isinstance(said, psycopg.errors.UndefinedObject | psycopg.errors.InvalidParameterValue):
        return None
    found = _MISSING_ROLE.fullmatch(said.diag.message_primary or "")
    return found and found[1]


@contextmanager
def opened(
    project: Project, *, url: str | None = None, live_url: str | None = None, environ: Mapping[str, str]
) -> Generator[Scratch]:
    """Give a place for scratch databases, and remove everything that was made there after the block.

    `url` names a server to make them on; without it, a private one is started, of the major version of the server that
    `live_url` leads to, else of the manifest's.

    Raises:
        UsageError: the URL is not one, or its role may not make databases.
        ConnectionFailed: the server cannot be reached.
        ServerError: there is no server for scratch databases.
    """
    if url is not None:
        target = replace(database.target(url, environ=environ), written_in=_WRITTEN_IN)
        with _on(target, is_private=False, is_made=partial(_is_made, project)) as scratch:
            yield scratch
        return
    major = _wanted(project, live_url, environ)
    with _private_server(major) as private_url:
        target = replace(database.target(private_url, environ=environ), is_embedded=True)
        with _on(target, is_private=True) as scratch:
            is_elsewhere = live_url is not None or isinstance(project.database, DatabaseUrl)
            if major is None and is_elsewhere and not project.verify.any_version:
                scratch.remark = _UNKNOWN
            yield scratch


@contextmanager
def _on(target: Target, *, is_private: bool, is_made: Callable[[str], bool] = lambda _: True) -> Generator[Scratch]:
    run = secrets.token_hex(4)
    with _connected(target, f"{_APPLICATION}{run}") as connection:
        if not is_private:
            _refuse_pooler(connection, target)
            with database.translated(target):
                _check_rights(connection)
                _drop_leftovers(connection)
        scratch = Scratch(target, connection, run, is_private=is_private, is_made=is_made)
        try:
            yield scratch
        finally:
            scratch.drop_all()


def _roles(connection: WorkingConnection) -> set[str]:
    return {str(name) for (name,) in connection.execute(b"select rolname::text from pg_catalog.pg_roles").fetchall()}


def _is_made(project: Project, role: str) -> bool:
    """Whether a file of a migration has in it that a role is made."""
    texts = (text_file.read(one.file) for one in project.migrations if one.file is not None)
    return any(
        role in (one["quoted"], (one["name"] or "").lower()) for text in texts for one in _MAKES_ROLE.finditer(text)
    )


def _connected(target: Target, application_name: str) -> WorkingConnection:
    return database.connect(target, application_name=application_name)


def _name(url: str) -> str:
    return str(conninfo.conninfo_to_dict(url)["dbname"])


def _refuse_pooler(connection: WorkingConnection, target: Target) -> None:
    """Refuse what is no server: a pooler leads to databases it knows, and keeps sessions in those that are dropped."""
    if connection.server.backend_pid != connection.info.backend_pid:
        raise UsageError(
            Problem(
                "scratch-pooler",
                f"scratch databases cannot be made through the pooler at `{target.host}`",
                effect="nothing was run",
                hint=f"name the server itself in {_WRITTEN_IN}",
            )
        )


def _check_rights(connection: WorkingConnection) -> None:
    row = connection.execute(_RIGHTS.encode()).fetchone()
    if row is not None and not row[0]:
        raise _no_right(connection)


def _no_right(connection: WorkingConnection) -> UsageError:
    role = identifier(connection.info.user)
    return UsageError(
        Problem(
            "scratch-no-right",
            f"role `{connection.info.user}` may not make databases on the scratch server",
            effect="nothing was run",
            hint=f"run `alter role {role} createdb` there as a role that may, or name another role in {_WRITTEN_IN}",
        )
    )


def _drop_leftovers(connection: WorkingConnection) -> None:
    """Drop databases of killed runs: nobody is in them, no session of their run is there, and they are old."""
    for (name,) in connection.execute(_LEFTOVERS.encode()).fetchall():
        named = _NAMED.fullmatch(str(name))
        if named is not None and int(named["began"], 16) < time.time() - _LEFT_AFTER_SECONDS:
            with suppress(psycopg.Error):
                connection.execute(f"drop database if exists {identifier(str(name))}".encode())


def _wanted(project: Project, live_url: str | None, environ: Mapping[str, str]) -> int | None:
    """Return the major version that a private server must have; None where any will do, or none is known."""
    if project.verify.any_version:
        return None
    if live_url is None:
        declared = project.database
        if project.lint.postgres_version is not None:
            return project.lint.postgres_version
        if isinstance(declared, EmbeddedDatabase):
            return _major_in(declared.folder)
        if declared is None:
            return None
    try:
        named = database.target(project.database_url(live_url, environ=environ), environ=environ)
        text = conninfo.make_conninfo(named.conninfo, connect_timeout=_SECONDS_TO_ASK)
        with _connected(replace(named, conninfo=text), "zmig") as connection:
            return major(connection.info.server_version)
    except (ManifestError, UsageError, ConnectionFailed, ServerError):
        return None  # where the database is needed, that is reported by who needs it


def _major_in(folder: Path) -> int | None:
    try:
        text = (folder / "data" / "PG_VERSION").read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return None
    return int(text) if text.strip().isdecimal() else None


@contextmanager
def _private_server(major: int | None) -> Generator[str]:
    """Run a private server in a folder of its own; its owner is alive while it holds the file `alive` in there."""
    try:
        from zmig.embedded import EmbeddedServer, find_binaries
    except ServerError as error:
        raise _unavailable(error, None) from None
    try:
        find_binaries(major=major)
    except ServerError as error:
        raise _unavailable(error, major) from None
    import fcntl

    parent = _parent()
    _sweep(parent)
    # It gets the name that is looked for only once it is held.
    unnamed = Path(tempfile.mkdtemp(prefix="zmig-new-", dir=parent))
    with (unnamed / "alive").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        folder = unnamed.rename(unnamed.with_name(unnamed.name.replace("new", "scratch", 1)))
        server = EmbeddedServer(folder / "server", settings=_SETTINGS, major=major)
        try:
            yield server.start()
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _parent() -> Path:
    """Prefer memory: a server's files are small, and making them is most of what a new database costs."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Stop the servers of killed runs, and remove their folders: those of this account that no process holds."""
    import fcntl

    from zmig.embedded import EmbeddedServer

    for folder in parent.glob(f"{_FOLDER}*"):
        with suppress(OSError, ZmigError):
            status = folder.lstat()
            if status.st_uid != os.geteuid() or folder.is_symlink():
                continue
            with (folder / "alive").open("rb") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                EmbeddedServer(folder / "server").stop()
                shutil.rmtree(folder, ignore_errors=True)


def _unavailable(error: ServerError, major: int | None) -> ServerError:
    found = error.problems[0]
    version = "" if major is None else f" {major}"
    facts = found.facts
    hint = f"name a PostgreSQL{version} server with {_WRITTEN_IN}"
    if found.code == "embedded-unsupported":
        facts = (found.message,)
    elif major is not None and found.facts:
        facts = (*found.facts, "`verify: {any_version: true}` in the manifest accepts another version")
    else:
        hint = 'run `pip install "zmig[embedded]"`'
    return ServerError(
        Problem(
            "scratch-unavailable",
            f"there is no PostgreSQL{version} for scratch databases",
            facts=facts,
            effect="nothing was run",
            hint=hint,
        )
    )
