"""Projects whose migrations are code: one entry takes their place, with the schema as it is in the live database.

Its file is what pg_dump writes of that database, without the other tool's own tables and without rows; or what it wrote
before, where the project keeps that.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zmig.database import connection as database
from zmig.database import tool_history
from zmig.errors import Problem, UsageError
from zmig.importing import manifest_text
from zmig.importing.file_names import FileNames
from zmig.importing.history_reading import HistoryReader
from zmig.importing.numbering import Identity
from zmig.other_tools.history_tables import MARKS, is_beside
from zmig.other_tools.pgroll_objects import EVENT_TRIGGERS
from zmig.project import inclusion, new_files, project
from zmig.sql.quoting import array, identifier, literal, operator
from zmig.sql.token_reader import Reader
from zmig.valueclass import valueclass
from zmig.verification import dump

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.database.connection import WorkingConnection
    from zmig.importing.folder import FolderFiles
    from zmig.importing.plan import ImportPlan
    from zmig.other_tools.history import Place
    from zmig.other_tools.tool import Tool
    from zmig.progress import Observer

BASELINE = Identity(1, "baseline")
_URL_VARIABLE = "DATABASE_URL"
_TRACKING_SCHEMA = "zmig"
_TRACKING = ("migration_events", "migration_events_position_seq", "schema_migrations")
_ROLE = re.compile(
    r"(?:owner to|^grant\b.*\bto|^revoke\b.*\bfrom) (\"(?:[^\"]|\"\")+\"|\w+)", re.IGNORECASE | re.DOTALL
)
_NO_ROLES = frozenset({"public", "session_user", "current_user", "current_role"})
_OF_TOOLS = re.compile(
    rf"(?:create|alter|comment on) event trigger \"?(?:{'|'.join(EVENT_TRIGGERS)})\b"
    r"|(?:create table|alter table(?: only)?|insert into|comment on (?:table|column)|create unique index \S+ on) "
    r"(?:\"?\w+\"?\.)?\"?(?:schema_migrations|ar_internal_metadata)\b",
    re.IGNORECASE,
)
"""What a project's own file says of the tables of Rails and Ecto, which are left out of a live one, too, and what
pg_dump says of pgroll's event triggers, which are in no schema."""
_PATH = re.compile(r"set search_path to\b", re.IGNORECASE)
_EQUALS = operator("=")

_OWN_SEQUENCES = f"""
select pg_catalog.format('%I.%I', s.nspname, c.relname)
from pg_catalog.pg_depend d
join pg_catalog.pg_class c on c.oid {_EQUALS} d.objid and c.relkind {_EQUALS} 'S'
join pg_catalog.pg_namespace s on s.oid {_EQUALS} c.relnamespace
where d.classid {_EQUALS} 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refclassid {_EQUALS} 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refobjid {_EQUALS} any (array[{{tables}}]::pg_catalog.regclass[])
"""
"""Selects the sequences that go with tables' columns."""

_SHOWN = """
select pg_catalog.format('%I.%I', s.nspname, c.relname)
from pg_catalog.pg_class c join pg_catalog.pg_namespace s on s.oid operator(pg_catalog.=) c.relnamespace
where c.oid operator(pg_catalog.=) any (array[{tables}]::pg_catalog.regclass[])
"""
"""Selects tables as the server writes their names."""

_HAS_OTHERS = f"""
select exists (select from pg_catalog.pg_class c
        where c.relnamespace {_EQUALS} pg_catalog.to_regnamespace({{schema}})
            and c.relkind {_EQUALS} any (array['r','p','v','m','f','S','c']::pg_catalog."char"[])
            and pg_catalog.format('%I.%I', {{name}}, c.relname) {operator("<>")} all ({{relations}}))
    or exists (select from pg_catalog.pg_proc p where p.pronamespace {_EQUALS} pg_catalog.to_regnamespace({{schema}})
        and p.proname {operator("<>")} 'migration_events_refuse_change')
"""
"""Selects whether something else is in a schema than these relations."""


@valueclass
class CodeDraft:
    """What an import of such a project writes."""

    plan: ImportPlan
    tool: Tool
    _: KW_ONLY
    file: Path
    """The baseline's."""
    name: str
    """What its entry is called."""
    is_declared: bool
    """Whether the manifest has that entry already."""
    structure: str | None
    """The project's own file with the schema, relative to it; None where it has none."""


@valueclass
class Baseline:
    """The schema of a database, as a file."""

    text: str
    _: KW_ONLY
    statements: int
    made_by: str
    """The pg_dump, or the file, that it comes from."""
    roles: tuple[str, ...]
    """Roles that the file names, which have to be there before it is run elsewhere."""
    user_mappings: int
    """How many were left out, since there may be a password in each."""
    applied: frozenset[str] | None = None
    """What the other tool had applied, by its ids; None where it is not of a live database."""


def draft(plan: ImportPlan, tool: Tool, files: FolderFiles, *, environ: Mapping[str, str]) -> CodeDraft:
    """Return what importing a project would write; nothing is written here. Raises ManifestError."""
    names = FileNames(plan.manifest, files.root / plan.source.folder, highest=BASELINE.version)
    stem = names.stem(BASELINE)
    is_declared = False
    if plan.manifest.exists():
        read = inclusion.read(plan.manifest, environ=environ)
        read.raise_for_problems()
        is_declared = any(one.name == stem for one in read.declarations)
    structure = tool.structure if tool.structure in files.paths else None
    return CodeDraft(
        plan, tool, file=names.folder / f"{stem}.sql", name=stem, is_declared=is_declared, structure=structure
    )


def live_url(given: str | None, environ: Mapping[str, str]) -> str:
    """Return the database that a baseline is made of: the one given, else the one that the new manifest will name."""
    url = given or environ.get(_URL_VARIABLE)
    if not url:
        raise UsageError(
            Problem(
                "database-missing",
                "no database is named of which a baseline could be made",
                effect="nothing was written",
                hint=f"set `{_URL_VARIABLE}`, which the new manifest names, or give one with `--database-url`",
            )
        )
    return url


def take(
    draft: CodeDraft,
    url: str,
    *,
    table: str | None,
    pg_dump: str | None,
    observer: Observer,
    environ: Mapping[str, str],
) -> Baseline:
    """Return the schema of a live database as a migration. Reads only.

    Raises:
        ConnectionFailed: the database cannot be reached.
        UsageError: the tool's table is not found there, or has states that nobody can take over.
        ServerError: there is no pg_dump of the server's version or a later one, or it failed.
    """
    target = database.target(url, environ=environ)
    with database.connect(target, application_name="zmig import") as connection, database.translated(target):
        reader = HistoryReader(connection, observer, draft.tool, draft.plan.source)
        at = reader.find(table)
        history = reader.read(at)
        if history.problems:
            raise UsageError(*history.problems)
        applied = frozenset(row.id for row in history.applied)
        relations, schemas = _own(connection, at, draft.tool)
        has_others = _has_others(connection, _TRACKING_SCHEMA, [f"{_TRACKING_SCHEMA}.{name}" for name in _TRACKING])
        version, role = connection.info.server_version, connection.info.user
    taken = dump.take(
        url,
        dump.Contents(
            tracking_schema=_TRACKING_SCHEMA,
            excludes_schema=not has_others,
            left_out=relations,
            left_out_schemas=schemas,
            has_rows=False,
        ),
        server_version=version,
        given=pg_dump,
        environ=environ,
    )
    return _made(draft, taken.text, f"pg_dump {taken.version}", role=role, applied=applied)


def of_structure(draft: CodeDraft, files: FolderFiles) -> Baseline:
    """Return the schema as the project keeps it. Raises UsageError."""
    assert draft.structure is not None, "the project has one"
    return _made(draft, files.text(draft.structure), draft.structure, role="", applied=None)


def _made(draft: CodeDraft, text: str, made_by: str, *, role: str, applied: frozenset[str] | None) -> Baseline:
    """Return a dump as a migration; what the tool has made for itself, and what may hold a password, is left out."""
    every = [one for one in _statements(text, role) if not _OF_TOOLS.match(one) and not _PATH.match(one)]
    mappings = [one for one in every if one.startswith("CREATE USER MAPPING")]
    statements = [one for one in every if one not in mappings]
    title = MARKS[draft.tool.name].title
    head = f"-- imported from {title}: the schema that its migrations made, by {made_by}\n\n"
    body = "".join(f"{statement};\n\n" for statement in statements).rstrip("\n")
    return Baseline(
        f"{head}{body}\n",
        statements=len(statements),
        made_by=made_by,
        roles=_roles(statements, role),
        user_mappings=len(mappings),
        applied=applied,
    )


def _statements(text: str, role: str) -> list[str]:
    """Return the statements of a dump that the file has. Raises UsageError."""
    try:
        return dump.statements(text, role=role)
    except UsageError as error:
        hint = "let the owner of the object grant it, or write the file by hand and record a baseline"
        raise UsageError(
            *(
                Problem("baseline-unfit", one.message, facts=one.facts, effect=one.effect, hint=hint)
                for one in error.problems
            )
        ) from None


def _own(connection: WorkingConnection, at: Place, tool: Tool) -> tuple[list[str], list[str]]:
    """Return what the tool has made for itself: tables and sequences as SQL, and schemas that hold nothing else."""
    seen = tool_history.tables(connection, at.schema)
    tables = [
        identifier(schema, name)
        for (schema, name), columns in seen.items()
        if (schema, name) == (at.schema, at.table) or is_beside(tool.name, columns)
    ]
    listed = ", ".join(map(literal, tables))
    rows = connection.execute(_OWN_SEQUENCES.format(tables=listed).encode()).fetchall()
    sequences = [str(row[0]) for row in rows]
    own = [str(row[0]) for row in connection.execute(_SHOWN.format(tables=listed).encode()).fetchall()]
    if tool.history.schemas is not None:
        rows = connection.execute(tool.history.schemas(at).encode()).fetchall()
        return [*tables, *sequences], [at.schema, *(str(row[1]) for row in rows)]
    is_shared = at.schema == "public" or _has_others(connection, at.schema, [*own, *sequences])
    return [*tables, *sequences], [] if is_shared else [at.schema]


def _has_others(connection: WorkingConnection, schema: str, relations: list[str]) -> bool:
    """Whether something else is in a schema than these relations, as the server writes their names."""
    query = _HAS_OTHERS.format(schema=literal(identifier(schema)), name=literal(schema), relations=array(relations))
    row = connection.execute(query.encode()).fetchone()
    return row is None or row[0] is not False


def _roles(statements: Collection[str], own: str) -> tuple[str, ...]:
    """Return the roles that statements name, apart from the one that made the file."""
    found = {Reader(match[1]).identifier() or "" for one in statements if (match := _ROLE.search(one)) is not None}
    return tuple(sorted(found - _NO_ROLES - {own}))


@contextmanager
def written(draft: CodeDraft, baseline: Baseline, environ: Mapping[str, str]) -> Generator[tuple[Path, ...]]:
    """Write the baseline and a manifest that declares it, and take them back where the block raises.

    Raises:
        UsageError: a file exists already, or cannot be written.
    """
    plan = draft.plan
    entry = manifest_text.file_fields(BASELINE.version, draft.file, plan.manifest)
    about = f"Taken over from {plan.title} by `zmig import`."
    text = manifest_text.new(plan.manifest, about=about, entries=[entry])
    contents = {draft.file: baseline.text, **manifest_text.schema_file(plan.manifest), plan.manifest: text}
    with new_files.written(contents, instead="move it away, or name another manifest with `--manifest`"):
        project.load(plan.manifest, environ={_URL_VARIABLE: "x", **environ})
        yield tuple(contents)
