"""Runs migrations on a scratch database as in production, one by one, and looks at the database in between."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

import psycopg

from zmig.database import connection as database
from zmig.database import schema_reader
from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Location, MigrationFailed, Problem, UsageError
from zmig.migrator import Migrator
from zmig.planning.request import Apply, Rollback
from zmig.progress import StepFailed
from zmig.session import operator
from zmig.sql.quoting import bare, identifier, shown
from zmig.valueclass import replace, valueclass
from zmig.verification import reparse, scratch, watching

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import KW_ONLY
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from zmig.catalog.difference import Difference
    from zmig.catalog.objects import SchemaSnapshot
    from zmig.database.connection import Target
    from zmig.database.types import Connection
    from zmig.migrator import MigratorSession
    from zmig.model import Migration
    from zmig.planning.request import Request
    from zmig.process.interrupts import Interrupts
    from zmig.progress import Progress
    from zmig.project.project import Project
    from zmig.sql.statement import Statement
    from zmig.verification.scratch import Scratch
    from zmig.verification.watching import Watch

_REASON = "zmig verify runs it a second time"
_EXTENSION = re.compile(r'extension "(?P<name>[^"]+)" is not available|/(?P<file>[^/"]+)\.control"')
_UNSUPPORTED, _NO_FILE = "0A000", "58P01"
_TABLES = """
select n.nspname::text, c.relname::text, array(select a.attname::text from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and pg_catalog.pg_relation_size(c.oid) > 0
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_catalog.pg_depend e
        where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e')
"""


@valueclass
class Start:
    """A script that makes what is there before the first migration."""

    path: str
    statements: tuple[Statement, ...]

    def run(self, url: str, ground: Ground) -> None:
        """Run it in a database; a role that only lacks is made where that may be. Raises ZmigError."""
        target = database.target(url, environ=ground.environ)
        with database.connect(target, application_name="zmig verify") as connection:
            for one in self.statements:
                try:
                    _run_again_with_role(connection, one, ground.scratch)
                except psycopg.Error as error:
                    raise UsageError(self._problem(one, error, target)) from error

    def _problem(self, one: Statement, error: psycopg.Error, target: Target) -> Problem:
        said = target.redactor(error.diag.message_primary or str(error))
        return Problem(
            "start-failed",
            f"what is there before the first migration cannot be made on the scratch server: {said}",
            Location(self.path, one.line, 1),
            effect="no migration was run; only a scratch database was touched",
            hint="correct the file that `lint: {start: ...}` names, or name a server that has what it needs with "
            "`--scratch-url`",
        )


def _run_again_with_role(connection: Connection, one: Statement, place: Scratch) -> None:
    """Run a statement; where it lacks nothing but a role, make that and run it again."""
    try:
        connection.execute(one.content)
    except psycopg.Error as error:
        role = scratch.missing_role(error)
        if role is None or not place.add_role(role):
            raise
        connection.execute(one.content)


@valueclass
class Ground:
    """What is replayed, and where."""

    _: KW_ONLY
    manifest: Path
    project: Project
    scratch: Scratch
    environ: Mapping[str, str]
    interrupts: Interrupts
    watch: Watch | None = None
    """Looks what each statement does, where that is wanted."""
    start: Start | None = None
    """What is there before the first migration; None for nothing."""

    def create(self) -> str:
        """Make a database for the first migration; return its connection string. Raises ZmigError."""
        url = self.scratch.create()
        if self.start is not None:
            self.start.run(url, self)
        return url

    @property
    def ordinary(self) -> tuple[Migration, ...]:
        """The migrations that run once, in order."""
        return tuple(one for one in self.project.migrations if not one.is_repeatable)

    @property
    def repeatables(self) -> tuple[Migration, ...]:
        """The others, in order."""
        return tuple(one for one in self.project.migrations if one.is_repeatable)


@valueclass
class Look:
    """What is in a database at one moment."""

    schema: SchemaSnapshot
    rows: Mapping[str, int]
    """How many rows each table that has some holds, and how many values that are not null each of its columns."""


class Replay:
    """One scratch database that is built; used as a context manager."""

    def __init__(self, ground: Ground, url: str) -> None:
        """`url` is the database's; it holds nothing, or what an earlier replay left in it."""
        self._ground = ground
        self.url = url
        """The connection string of the database."""
        self.failed: Migration | None = None
        """The migration that failed last."""
        self._closing = ExitStack()
        self._sessions = ExitStack()
        self._session: tuple[tuple[Migration, ...], MigratorSession] | None = None
        self._reader: Connection | None = None
        for role in {one.settings.run_as for one in ground.project.migrations} - {None}:
            ground.scratch.add_role(cast("str", role), may_all=True)

    def __enter__(self) -> Self:
        """Connect to nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection, so that the database can be copied."""
        self.close()

    def close(self) -> None:
        """Close every connection; the next use opens them again."""
        self._sessions.close()
        self._closing.close()
        self._session = self._reader = None

    def apply(self, *, to: int | None = None, with_repeatables: Sequence[Migration] = ()) -> None:
        """Apply every migration that runs once up to a version, or all, and the repeatables that are given.

        Raises MigrationFailed, and what else a run does; `failed` is the migration then.
        """
        if self._ground.ordinary or with_repeatables:
            self._run(with_repeatables, Apply(to=to))

    def roll_back(self, *, with_repeatables: Sequence[Migration] = ()) -> None:
        """Roll the last migration back. Raises like `apply`."""
        self._run(with_repeatables, Rollback(steps=1, include_repeatables=bool(with_repeatables)))

    def make_due(self, repeatable: Migration, with_repeatables: Sequence[Migration]) -> None:
        """Let a repeatable run again by the next `apply`."""
        session = self._opened(with_repeatables).session
        operator.record(session, operator.Resolve(repeatable.name, "pending", _REASON), lock_wait_seconds=None)

    def look(self) -> Look:
        """Return what is in the database, by another connection where a migration has ended the first one."""
        with database.translated(database.target(self.url, environ=self._ground.environ)):
            reader = self._reading()
            try:
                return self._looked(reader)
            except psycopg.Error as error:
                if not database.is_lost(reader, error):
                    raise
                self._reader = None
                return self._looked(self._reading())

    def _looked(self, reader: Connection) -> Look:
        return Look(schema_reader.read(reader, self._ground.project.scope), self._rows(reader))

    def respelled(self, found: Sequence[Difference]) -> list[Difference]:
        """Return differences of the database as it is now, with those marked that are only of spelling."""
        return reparse.mark_respelled(self._reading(), found)

    def _run(self, repeatables: Sequence[Migration], request: Request) -> None:
        """Run a request; a role that only lacks is made, and the request is run again."""
        made = set[str]()
        while True:
            self.failed = None
            try:
                self._opened(repeatables).run(request)
            except MigrationFailed as error:
                role = scratch.missing_role(error)
                if role is not None and role not in made and self._ground.scratch.add_role(role):
                    made.add(role)
                    continue
                raise _explained(error, role) from error.__cause__
            return

    def _opened(self, repeatables: Sequence[Migration]) -> MigratorSession:
        """Return a session for the migrations that run once, and these repeatables."""
        wanted = (*self._ground.ordinary, *repeatables)
        if self._session is None or self._session[0] != wanted:
            self._sessions.close()
            ground = self._ground
            migrator = Migrator(
                ground.manifest,
                database_url=self.url if ground.watch is None else watching.talkative(self.url),
                environ=ground.environ,
                interrupts=ground.interrupts,
                observer=self._hear,
            )
            # What a run records of the schema is for drift, which there is none of here.
            project = replace(ground.project, migrations=wanted, verify=replace(ground.project.verify, record=False))
            if ground.start is not None:
                project = replace(project, tracking=replace(project.tracking, allow_existing=True))
            opened = self._sessions.enter_context(migrator.open(project=project))
            if ground.watch is not None:
                opened.one_by_one = True
                ground.watch.attach(opened.session.connection)
            self._session = wanted, opened
        return self._session[1]

    def _hear(self, progress: Progress) -> None:
        if isinstance(progress, StepFailed):
            self.failed = progress.step.migration
        if self._ground.watch is not None:
            self._ground.watch(progress)

    def _reading(self) -> Connection:
        if self._reader is None:
            target = database.target(self.url, environ=self._ground.environ)
            reader = database.connect(target, application_name="zmig verify")
            self._reader = self._closing.enter_context(reader)
        return self._reader

    def _rows(self, reader: Connection) -> dict[str, int]:
        scope, rows = self._ground.project.scope, dict[str, int]()
        tables = cast("list[tuple[str, str, list[str]]]", reader.execute(_TABLES.encode()).fetchall())
        for schema, name, columns in tables:
            is_own = schema == scope.tracking_schema and name in (EVENTS, PROJECTION)
            if is_own or not scope.has_schema(schema) or not scope.has_relation(schema, name):
                continue
            counts = ", ".join(("count(*)", *(f"count({identifier(column)})" for column in columns)))
            found = reader.execute(f"select {counts} from {identifier(schema, name)}".encode()).fetchone()
            numbers = cast("tuple[int, ...]", found)
            if numbers[0]:
                table = shown(schema, name)
                rows[table] = numbers[0]
                rows |= {f"{table}.{bare(c)}": number for c, number in zip(columns, numbers[1:], strict=True)}
        return rows


def _explained(error: MigrationFailed, role: str | None) -> MigrationFailed:
    """Return an error with what helps where a scratch server lacks what the real one has."""
    problem = error.problems[0]
    if role is not None:
        return _hinting(problem, f"run `create role {identifier(role)} nologin` on the scratch server")
    said = scratch.server_error(error)
    if said is not None and said.sqlstate in (_UNSUPPORTED, _NO_FILE):
        extension = _EXTENSION.search(said.diag.message_primary or "")
        if extension:
            name = extension["name"] or extension["file"]
            return _hinting(problem, f"name a server that has the extension `{name}` with `--scratch-url`")
    return error


def _hinting(problem: Problem, hint: str) -> MigrationFailed:
    return MigrationFailed(replace(problem, hint=hint))
