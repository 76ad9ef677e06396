"""Watches the statements of migrations on a scratch database: what the server says, locks and stores while each runs.

The server is asked between the statements, in the session that runs them: the locks of an open transaction are seen
from anywhere, but what it has changed is seen from inside alone.
"""

from __future__ import annotations

import inspect
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from psycopg import conninfo
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus

from zmig.database.tracking_check import EVENTS, PROJECTION
from zmig.errors import Problem, ZmigError
from zmig.model import Language
from zmig.planning.plan import Direction
from zmig.progress import StatementFinished, StatementStarted, StepStarted
from zmig.running.rehearsal import MODES
from zmig.sql.quoting import shown
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from dataclasses import KW_ONLY

    from psycopg.errors import Diagnostic
    from psycopg.pq.abc import PGconn

    from zmig.catalog.scope import Scope
    from zmig.database.connection import WorkingConnection
    from zmig.model import Migration
    from zmig.progress import Progress

ACCESS_EXCLUSIVE, SHARE = "AccessExclusive", "Share"
_TALKATIVE = "-c client_min_messages=debug1"
_SPEAK = "set client_min_messages = debug1"
_RELATIONS = """
select c.oid::pg_catalog.text, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text,
    coalesce(pg_catalog.pg_relation_filenode(c.oid)::pg_catalog.text, ''), c.relnatts::pg_catalog.text,
    case when exists (select from pg_catalog.pg_partitioned_table p
        where p.partdefid operator(pg_catalog.=) c.oid) then 'default' else '' end,
    coalesce((select pg_catalog.string_agg(pg_catalog.replace(l.mode, 'Lock', ''), ' ') from pg_catalog.pg_locks l
        where l.locktype operator(pg_catalog.=) 'relation' and l.relation operator(pg_catalog.=) c.oid
            and l.pid operator(pg_catalog.=) pg_catalog.pg_backend_pid() and l.granted), '')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace
where c.relkind operator(pg_catalog.=) any('{r,p,m,f}') and c.relpersistence operator(pg_catalog.<>) 't'
    and n.nspname operator(pg_catalog.!~) '^pg_' and n.nspname operator(pg_catalog.<>) 'information_schema'
"""
_REQUIRED = """
select a.attname::pg_catalog.text from pg_catalog.pg_attribute a
    join pg_catalog.pg_type t on t.oid operator(pg_catalog.=) a.atttypid
where a.attrelid operator(pg_catalog.=) {table} and a.attnum operator(pg_catalog.>) {before} and not a.attisdropped
    and a.attnotnull and not a.atthasdef and a.attidentity operator(pg_catalog.=) '' and t.typdefault is null
"""
_FOREIGN_KEYS = """
select c.conrelid::pg_catalog.text, c.conname::pg_catalog.text from pg_catalog.pg_constraint c
where c.contype operator(pg_catalog.=) 'f'
"""


class Sign(StrEnum):
    """What the server says that it does, in messages that are not translated."""

    REWRITES = "rewrites"
    READS = "reads"
    BUILDS = "builds"
    VALIDATES = "validates"


_MESSAGES = (
    (Sign.REWRITES, re.compile(r'rewriting table "(?P<table>.*)"', re.DOTALL)),
    (Sign.READS, re.compile(r'verifying table "(?P<table>.*)"', re.DOTALL)),
    (
        Sign.BUILDS,
        re.compile(
            r'building index "(?P<subject>[^"]*+(?:"(?! on table ")[^"]*+)*+)" on table '
            r'"(?P<table>[^"]*+(?:"(?! (?:serially|with ))[^"]*+)*+)" (?:serially|with )'
        ),
    ),
    (Sign.VALIDATES, re.compile(r'validating foreign key constraint "(?P<subject>.*)"', re.DOTALL)),
)
_SPOKEN_BY_CODE = "exec_stmt_raise"
_IS_PROVED = re.compile(r'updated partition constraint for default partition ".*" is implied', re.DOTALL)


@valueclass
class Said:
    """Work that the server said it does on a table that was there before."""

    sign: Sign
    table: str
    subject: str | None = None
    """The index or the constraint that it is for."""


@valueclass
class Touched:
    """What a statement did to a table that was there before."""

    table: str
    _: KW_ONLY
    is_view: bool
    """Whether it is a materialized view."""
    is_default_partition: bool
    held: str | None
    """The strongest lock that the transaction holds on it after the statement; one of `MODES`."""
    new: str | None
    """The same, where it is stronger than what the transaction held on it before the statement."""
    has_new_storage: bool
    required: tuple[str, ...] = ()
    """New columns that must not be null, and have no default."""


@valueclass
class Seen:
    """What was seen of one statement that the server carried out."""

    migration: Migration
    _: KW_ONLY
    is_rollback: bool
    number: int | None
    """Its place in an SQL file, from 1 on; None in Python code."""
    line: int
    """Of the file: where it begins, or the line of code that was being executed."""
    in_transaction: bool
    """Whether a transaction was open after it, so that its locks could be seen."""
    said: tuple[Said, ...] = ()
    touched: tuple[Touched, ...] = ()
    is_partition_proved: bool = False
    """Whether the server said that a default partition need not be read."""


@valueclass
class _Relation:
    """One table as it is at one moment."""

    oid: str
    schema: str
    name: str
    kind: str
    storage: str
    _: KW_ONLY
    columns: int
    is_default_partition: bool
    modes: frozenset[str]

    @property
    def shown(self) -> str:
        """What people call it."""
        return shown(self.schema, self.name)


def talkative(url: str) -> str:
    """Return a connection string whose sessions hear what the server does, also after they were reset."""
    given = str(conninfo.conninfo_to_dict(url).get("options") or "")
    return conninfo.make_conninfo(url, options=f"{given} {_TALKATIVE}".strip())


class Watch:
    """Sees the statements of the migrations that it is to look at; an observer of runs over one connection."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._connection: WorkingConnection | None = None
        self._watched: Migration | None = None
        self._is_rollback = False
        self._there: Mapping[str, _Relation] = {}
        """The tables that were there before the migration, by their oid."""
        self._all_there = frozenset[str]()
        self._made: set[str] = set()
        """What the tables are called that the migration has made."""
        self._fresh: set[str] = set()
        """The same of migrations before it that are new themselves, so that nobody uses these tables yet."""
        self._before: Mapping[str, _Relation] = {}
        self._heard: list[str] = []
        self._started: StatementStarted | None = None
        self._failure: Exception | None = None
        self.seen: list[Seen] = []

    def attach(self, connection: WorkingConnection) -> None:
        """Listen to the session of a run."""
        self._connection = connection
        connection.add_notice_handler(self._hear)
        connection.on_answer = self._answered

    def look_at(self, migration: Migration | None, *, is_rollback: bool = False) -> None:
        """Look at what follows of this migration, and at nothing else; a rollback follows on what was applied."""
        self._watched, self._is_rollback = migration, is_rollback

    def made_is_fresh(self) -> None:
        """Take the tables that the migration has made for in use by nobody: it is new itself."""
        self._fresh |= self._made

    def check(self) -> None:
        """Raise what broke while watching, of which a run takes no notice."""
        if self._failure is not None:
            raise self._failure

    def __call__(self, progress: Progress) -> None:
        """Hear how a run goes on."""
        try:
            self._follow(progress)
        except Exception as error:  # an observer that raises is dropped in silence
            self._failure = self._failure or error
            raise

    def _follow(self, progress: Progress) -> None:
        match progress:
            case StepStarted(step=step) if self._is_watched(step.migration, step.direction):
                self._before = self._look()
                self._heard.clear()
                if not self._is_rollback:
                    self._made.clear()
                    self._there = {oid: one for oid, one in self._before.items() if one.shown not in self._fresh}
                    self._all_there = frozenset(self._before)
            case StatementStarted(step=step) if self._is_watched(step.migration, step.direction):
                self._started, self._before = progress, self._look()
                self._ask(_SPEAK)  # a file may have asked for silence
                self._heard.clear()
            case StatementFinished(step=step) if self._is_watched(step.migration, step.direction):
                started = self._started
                if started is not None and started.number == progress.number:
                    self._see(number=started.number, line=started.line)
            case _:
                pass

    def _is_watched(self, migration: Migration, direction: Direction) -> bool:
        watched = self._watched
        return (
            watched is not None
            and migration.version == watched.version
            and (direction is Direction.ROLLBACK) == self._is_rollback
        )

    def _answered(self) -> None:
        """Look what a statement of Python code did, which is on its way in the same thread."""
        watched = self._watched
        if watched is None or watched.language is not Language.PYTHON or self._failure is not None:
            return
        line = _line_in(str(watched.file))
        if line is None or self._link.pipeline_status != PipelineStatus.OFF:
            return
        try:
            self._see(number=None, line=line)
        except Exception as error:
            self._failure = error

    def _hear(self, diagnostic: Diagnostic) -> None:
        is_of_server = diagnostic.source_function != _SPOKEN_BY_CODE
        if diagnostic.severity_nonlocalized == "DEBUG" and is_of_server and diagnostic.message_primary:
            self._heard.append(diagnostic.message_primary)

    def _see(self, *, number: int | None, line: int) -> None:
        """Note what has become of the tables that were there since the last look."""
        watched = self._watched
        assert watched is not None
        heard = tuple(self._heard)
        if self._link.transaction_status not in (TransactionStatus.IDLE, TransactionStatus.INTRANS):
            return
        before, after = self._before, self._look()
        one = Seen(
            watched,
            is_rollback=self._is_rollback,
            number=number,
            line=line,
            in_transaction=self._link.transaction_status == TransactionStatus.INTRANS,
            said=tuple(self._said(heard, after)),
            touched=tuple(self._touched(before, after)),
            is_partition_proved=any(map(_IS_PROVED.match, heard)),
        )
        self._before = after
        self._heard.clear()
        self._made |= {new.shown for oid, new in after.items() if oid not in self._all_there}
        self.seen.append(one)

    def _said(self, heard: Iterable[str], after: Mapping[str, _Relation]) -> Iterator[Said]:
        keys: list[list[str]] | None = None
        for text in heard:
            for sign, pattern in _MESSAGES:
                found = pattern.match(text)
                if found is None:
                    continue
                parts = found.groupdict()
                if sign is Sign.VALIDATES:
                    keys = self._ask(_FOREIGN_KEYS) if keys is None else keys
                    oids = {oid for oid, name in keys if name == parts["subject"]}
                else:
                    oids = {oid for oid, one in after.items() if one.name == parts["table"]}
                table = self._meant(oids, after)
                if table is not None:
                    yield Said(sign, table.shown, parts.get("subject"))

    def _meant(self, oids: Iterable[str], after: Mapping[str, _Relation]) -> _Relation | None:
        """Return which of several tables a message means: one that is locked; None where it is a new one."""
        candidates = [after[oid] for oid in oids if oid in after]
        locked = [one for one in candidates if one.modes] or candidates
        there = [one for one in locked if one.oid in self._there]
        return max(there, key=lambda one: _rank(_strongest(one.modes)), default=None)

    def _touched(self, before: Mapping[str, _Relation], after: Mapping[str, _Relation]) -> Iterator[Touched]:
        for oid, one in after.items():
            was = before.get(oid)
            if oid not in self._there or was is None:
                continue
            has_new_storage = bool(was.storage) and was.storage != one.storage
            if not (one.modes or has_new_storage):
                continue
            required: tuple[str, ...] = ()
            if one.columns > was.columns and one.kind in ("r", "p"):
                rows = self._ask(_REQUIRED.format(table=int(oid), before=was.columns))
                required = tuple(row[0] for row in rows)
            yield Touched(
                one.shown,
                is_view=one.kind == "m",
                is_default_partition=one.is_default_partition,
                held=_strongest(one.modes),
                new=_stronger(one.modes, was.modes),
                has_new_storage=has_new_storage,
                required=required,
            )

    def _look(self) -> dict[str, _Relation]:
        return {one.oid: one for one in map(_relation, self._ask(_RELATIONS)) if self._is_anybodys(one)}

    def _is_anybodys(self, one: _Relation) -> bool:
        scope = self._scope
        is_own = one.schema == scope.tracking_schema and one.name in (EVENTS, PROJECTION)
        return not is_own and scope.has_schema(one.schema) and scope.has_relation(one.schema, one.name)

    @property
    def _link(self) -> PGconn:
        assert self._connection is not None, "a run has a session"
        return self._connection.pgconn

    def _ask(self, sql: str) -> list[list[str]]:
        """Ask the server over the session as it is; below psycopg, whose connection may be in use."""
        result = self._link.exec_(sql.encode())
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            text = result.error_message.decode("utf-8", "replace").strip()
            raise ZmigError(Problem("try-unseen", f"the scratch server does not say what was done: {text}"))
        return [
            [(result.get_value(row, column) or b"").decode("utf-8", "replace") for column in range(result.nfields)]
            for row in range(result.ntuples)
        ]


def _relation(row: list[str]) -> _Relation:
    oid, schema, name, kind, storage, columns, default, modes = row
    return _Relation(
        oid,
        schema,
        name,
        kind,
        storage,
        columns=int(columns),
        is_default_partition=bool(default),
        modes=frozenset(modes.split()),
    )


def _rank(mode: str | None) -> int:
    return -1 if mode is None else MODES.index(mode)


def _strongest(modes: Iterable[str]) -> str | None:
    return max((one for one in modes if one in MODES), key=MODES.index, default=None)


def stops_writes(mode: str | None) -> bool:
    """Whether nobody else can write a table on which somebody holds this lock."""
    return _rank(mode) >= MODES.index(SHARE)


def _line_in(path: str) -> int | None:
    """Return the line of a file that the thread is in; None where it is in none of it."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_filename == path:
            return frame.f_lineno
        frame = frame.f_back
    return None


def _stronger(modes: Iterable[str], before: Iterable[str]) -> str | None:
    """Return the strongest lock, where it is stronger than those before."""
    strongest = _strongest(modes)
    return strongest if _rank(strongest) > _rank(_strongest(before)) else None
