"""One migration in the place of many: its file made by pg_dump, and proved to make the same before it is written.

`draft` says what would be written, `make` builds and proves it on scratch databases, `write` puts it in its place: the
file first, which nothing names yet, and then the manifest, at once.
"""

from __future__ import annotations

import json
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg

from zmig.catalog.difference import differences
from zmig.catalog.objects import Kind as ObjectKind
from zmig.catalog.scope import Scope
from zmig.database import schema_reader
from zmig.errors import Location, ManifestError, MigrationFailed, Outdated, Problem, UsageError
from zmig.hints import Hint, command
from zmig.manifest import edit, reader, schema_errors, typed_reader
from zmig.manifest.declaration import stem
from zmig.model import Kind, Versions
from zmig.project import inclusion, project, scaffold, written_file
from zmig.sql.quoting import literal
from zmig.text.nearest import nearest
from zmig.text.secrets import in_sql
from zmig.valueclass import valueclass
from zmig.verification import dump, reparse
from zmig.verification.building import Builder

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from dataclasses import KW_ONLY

    from zmig.catalog.difference import Difference
    from zmig.catalog.objects import SchemaSnapshot
    from zmig.manifest.declaration import Declaration
    from zmig.model import Migration
    from zmig.project.inclusion import Inclusion, LoadedManifest
    from zmig.project.project import Project
    from zmig.verification.scratch import Scratch

_NOTHING = "nothing was written"
_SHOWN_DIFFERENCES = 20
_SHORTEST_VALUE = 4
"""A shorter value of a variable is found in any text."""


@valueclass
class Draft:
    """What a squash would be, before it is made."""

    version: int
    name: str
    _: KW_ONLY
    path: Path
    """The manifest that was asked about."""
    project: Project
    home: LoadedManifest
    """The manifest that declares the migrations, and will declare the squash."""
    replaces: Versions
    parts: tuple[Declaration, ...]
    """The entries that it replaces."""
    file: Path
    manifest_text: str
    """What the manifest will say."""
    fields: Mapping[str, str | int]
    """What the entry says."""
    deleted: tuple[Path, ...] = ()
    """The files that go with their entries."""
    is_made: bool = False
    """Whether the squash is there already, and only what it replaces is to be deleted."""


@valueclass
class LeftOut:
    """Rows, or the value of a sequence, that migrations left and the squash does not bring."""

    name: str
    """As `schema.name`."""
    rows: int | None
    """How many; None for a sequence."""


@valueclass
class Made:
    """A squash that was built and proved."""

    text: str
    """What its file will hold."""
    _: KW_ONLY
    statements: int
    objects: int
    """How many objects both databases have."""
    pg_dump: str
    left_out: tuple[LeftOut, ...] = ()
    roles: tuple[str, ...] = ()
    """The roles that migrations made, which are in no database."""
    user_mappings: int = 0
    """How many statements give a user mapping options, of which one may be a password."""
    not_dumped: Mapping[str, int]
    """What migrations made that pg_dump does not write, by what it is, with how many."""


def draft(path: Path, to: int, *, name: str | None, delete: bool, environ: Mapping[str, str]) -> Draft:
    """Return what a squash of everything up to a version would be. Writes nothing.

    Raises:
        ManifestError: the manifest has problems, or cannot be edited.
        UsageError: nothing can be squashed up to that version, or the squash cannot have that name.
    """
    read = inclusion.read(path, environ=environ)
    read.raise_for_problems()
    loaded = project.load(path, environ=environ)
    declared = [(opened, one) for opened in read.opened for one in opened.manifest.declarations]
    within = [(opened, one) for opened, one in declared if _is_within(one, to)]
    last = [(opened, one) for opened, one in within if one.version == to]
    if not last:
        raise UsageError(_unknown_version(to, [one for _, one in declared]))
    made = next(((opened, one) for opened, one in last if one.replaces is not None), None)
    if made is not None:
        return _deletion(path, loaded, made, [pair for pair in within if pair != made], delete=delete, environ=environ)
    home, target = last[0]
    _check_home(home, within)
    parts = tuple(one for _, one in within)
    replaces = Versions.of(pair for one in parts for pair in _ranges(one))
    called = _name(to, target) if name is None else name
    _check_name(called, read)
    folder = target.text("file").rpartition("/")[0]
    file = home.folder.path(target.file or "").parent / f"{called}.sql"
    if file.exists():
        message = f"`{file}` exists already"
        raise UsageError(
            Problem("file-exists", message, effect=_NOTHING, hint="choose another name with `--name NAME`")
        )
    fields = {"version": to, "file": f"{folder}/{file.name}" if folder else file.name, "replaces": str(replaces)}
    return Draft(
        to,
        called,
        path=path,
        project=loaded,
        home=home,
        replaces=replaces,
        parts=parts,
        file=file,
        manifest_text=_edited(home, fields, parts if delete else (), environ),
        fields=fields,
        deleted=_files(home, parts) if delete else (),
    )


def _is_within(one: Declaration, to: int) -> bool:
    return one.effective_kind is not Kind.REPEATABLE and one.version is not None and one.version <= to


def _ranges(one: Declaration) -> tuple[tuple[int, int], ...]:
    version = one.version or 0
    return ((version, version),) if one.replaces is None else one.replaces.ranges


def _unknown_version(to: int, declared: Sequence[Declaration]) -> Problem:
    repeatable = next((one for one in declared if one.version == to), None)
    versions = sorted(one.version or 0 for one in declared if one.effective_kind is not Kind.REPEATABLE)
    near = min(versions, key=lambda version: abs(version - to), default=None)
    message = f"no migration has version {to}"
    if repeatable is not None:
        message = f"version {to}, `{repeatable.name}`, is a repeatable, which is never squashed"
    hint = "declare a migration in the manifest" if near is None else f"write `--to {near}`"
    return Problem("unknown-version", message, effect=_NOTHING, hint=hint)


def _deletion(
    path: Path,
    loaded: Project,
    made: tuple[LoadedManifest, Declaration],
    others: Sequence[tuple[LoadedManifest, Declaration]],
    *,
    delete: bool,
    environ: Mapping[str, str],
) -> Draft:
    """Return what is left to do about a squash that is there: to delete what it replaces. Raises UsageError."""
    home, squash = made
    replaces = squash.replaces or Versions(())
    parts = tuple(one for _, one in others if one.version in replaces)
    if not delete or not parts:
        hint = Hint("delete what it replaces with ", command("squash", "--to", str(squash.version), "--delete"))
        message = f"version {squash.version} is a squash already: `{squash.name}` replaces {replaces}"
        no_more = "there is nothing left that it replaces; squash up to a later version"
        problem = Problem(
            "squashed", message, squash.location(), effect=_NOTHING, hint=hint if parts and not delete else no_more
        )
        raise UsageError(problem)
    _check_home(home, [pair for pair in others if pair[1].version in replaces])
    return Draft(
        replaces.last,
        squash.name or "",
        path=path,
        project=loaded,
        home=home,
        replaces=replaces,
        parts=parts,
        file=home.folder.path(squash.file or ""),
        manifest_text=_edited(home, None, parts, environ),
        fields={},
        deleted=_files(home, parts),
        is_made=True,
    )


def _check_home(home: LoadedManifest, within: Sequence[tuple[LoadedManifest, Declaration]]) -> None:
    """Make sure that all that is replaced is declared in one manifest, where the squash will be. Raises UsageError."""
    elsewhere = next(((opened, one) for opened, one in within if opened is not home), None)
    if elsewhere is not None:
        opened, one = elsewhere
        raise UsageError(
            Problem(
                "squash-spread",
                f"what would be squashed is declared in two manifests: `{one.name}` in `{opened.path}`, and the last "
                f"in `{home.path}`",
                one.location(),
                effect=_NOTHING,
                hint=f"squash `{opened.path}` first, or move the entries into one manifest",
            )
        )


def _name(to: int, target: Declaration) -> str:
    number = re.match(r"[0-9]+", stem(target.file or ""))
    digits = 3 if number is None else len(number[0])
    return f"{to:0{digits}}_squashed"


def _check_name(name: str, read: Inclusion) -> None:
    if not typed_reader.NAME.fullmatch(name) or "/" in name or name.startswith("."):
        message = f"`{name}` cannot be the name of a migration and its file"
        raise UsageError(Problem("name-invalid", message, effect=_NOTHING, hint="name it like `012_squashed`"))
    if any(one.name == name for one in read.declarations):
        message = f"the name `{name}` is taken"
        raise UsageError(Problem("name-repeated", message, effect=_NOTHING, hint="choose another with `--name NAME`"))


def _edited(
    home: LoadedManifest,
    fields: Mapping[str, str | int] | None,
    gone: Collection[Declaration],
    environ: Mapping[str, str],
) -> str:
    """Return the manifest's text with the squash and without what goes, which is read again to be sure of it."""
    document, before = home.manifest.document, _plain(home.manifest.document.root)
    gone_values = [schema_errors.plain(one.node) for one in gone]
    try:
        text = document.source.text if fields is None else edit.add(document, fields)
        again = reader.read(text, label=str(home.path), environ=environ, is_included=True)
        if gone:
            nodes = [one.node for one in again.declarations if schema_errors.plain(one.node) in gone_values]
            text = edit.remove(again.document, nodes)
            again = reader.read(text, label=str(home.path), environ=environ, is_included=True)
    except edit.NotEditable:
        raise ManifestError(_not_editable(home, fields)) from None
    after = _plain(again.document.root)
    entries = [entry for entry in before["migrations"] if entry not in gone_values]
    left = [entry for entry in after["migrations"] if entry != fields]
    if again.problems or entries != left or len(left) + (fields is not None) != len(after["migrations"]):
        raise ManifestError(_not_editable(home, fields))
    if {**before, "migrations": []} != {**after, "migrations": []}:
        raise ManifestError(_not_editable(home, fields))
    return text


def _plain(root: Any) -> dict[str, Any]:
    values: dict[str, Any] = {} if root is None else schema_errors.plain(root)
    return {**values, "migrations": values.get("migrations") or []}


def _not_editable(home: LoadedManifest, fields: Mapping[str, str | int] | None) -> Problem:
    entry = ", ".join(f"{key}: {value}" for key, value in (fields or {}).items())
    message = f"the entries of `{home.path}` cannot be changed by program, as they are written"
    hint = f"add `- {{{entry}}}` by hand, once `--dry-run` has shown the file" if fields else "delete them by hand"
    return Problem("manifest-not-editable", message, Location(str(home.path)), effect=_NOTHING, hint=hint)


def _files(home: LoadedManifest, parts: Collection[Declaration]) -> tuple[Path, ...]:
    """Return the files of entries, if nothing else in their manifest names them."""
    paths = {path for one in parts for path in _named(home, one)}
    kept = (one for one in home.manifest.declarations if not any(one is part for part in parts))
    others = {path for one in kept for path in _named(home, one)}
    return tuple(sorted(path for path in paths - others if path.exists()))


def _named(home: LoadedManifest, one: Declaration) -> Iterator[Path]:
    verify = one.verify.file if one.verify is not None else None
    for text in (one.file, one.rollback, verify):
        if text is not None:
            yield home.folder.path(str(text))


def make(
    draft: Draft,
    place: Scratch,
    *,
    data: Collection[str],
    pg_dump: str | None,
    today: datetime.date,
    environ: Mapping[str, str],
    report: Callable[[str], None],
) -> Made:
    """Build what a squash replaces, dump it, and prove that the dump makes the same. Writes nothing.

    Raises:
        ZmigError: a migration fails on the scratch database, or pg_dump does.
        Outdated: what the dump makes is not the same.
        UsageError: no table is called as one in `data`.
    """
    before = place.roles()
    builder = Builder(place, environ=environ, report=report)
    versions = {one.version for one in draft.parts}

    def is_replaced(migration: Migration) -> bool:
        return not migration.is_repeatable and migration.version in versions

    tracking = draft.project.tracking.schema
    report(f"applying {draft.replaces} to a scratch database")
    long = builder.build(draft.path, draft.project, only=is_replaced)
    expected, role = _read(long.url, tracking)
    rows = _Rows(long.url, tracking, data)
    taken = dump.take(
        long.url,
        dump.Contents(
            tracking_schema=tracking,
            excludes_schema=not any(
                kind is ObjectKind.SCHEMA and identity in (tracking, f'"{tracking}"')
                for kind, identity in expected.objects
            ),
            without_rows=rows.unwanted,
        ),
        server_version=expected.server_version,
        given=pg_dump,
        environ=environ,
    )
    statements = dump.statements(taken.text, role=role, own_role=draft.home.manifest.defaults.run_as)
    head = f"-- description: what {draft.replaces} make of an empty database\n-- date: {today}\n\n"
    text = head + "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"
    _refuse_variables(draft, text, environ)
    report("applying the squash alone to another one")
    with tempfile.TemporaryDirectory(prefix="zmig-squash-") as folder:
        manifest = _alone(Path(folder), draft, text)
        try:
            short = builder.build(manifest, project.load(manifest, environ=environ))
        except MigrationFailed as error:
            raise Outdated(_inapplicable(draft, error.problems[0])) from error
    found, _ = _read(short.url, tracking)
    with psycopg.connect(long.url, autocommit=True) as connection:
        compared = reparse.mark_respelled(connection, differences(expected, found))
    if different := [one for one in compared if not one.is_note]:
        raise Outdated(_differs(draft, different))
    if rows.wanted_rows(long.url) != rows.wanted_rows(short.url):
        raise Outdated(_rows_differ(draft))
    made_roles = place.roles() - before - builder.made_roles
    return Made(
        text,
        statements=len(statements),
        objects=len(expected.objects),
        pg_dump=taken.version,
        left_out=rows.left_out,
        roles=tuple(sorted(made_roles)),
        user_mappings=sum(one.startswith("CREATE USER MAPPING") and " OPTIONS (" in one for one in statements),
        not_dumped={
            what: number - found.uncovered.get(what, 0)
            for what, number in sorted(expected.uncovered.items())
            if number > found.uncovered.get(what, 0)
        },
    )


def _refuse_variables(draft: Draft, text: str, environ: Mapping[str, str]) -> None:
    """Make sure that a file for every environment holds no value of this one. Raises UsageError."""
    for opened in inclusion.read(draft.path, environ=environ).opened:
        for name, variable in opened.manifest.variables.items():
            if (
                variable.is_secret
                and len(variable.value) >= _SHORTEST_VALUE
                and any(one in text for one in in_sql(variable.value))
            ):
                raise UsageError(
                    Problem(
                        "squash-unfit",
                        f"the squash would hold the value that variable `{name}` has in this environment",
                        facts=("in others it is another one, and it may be secret",),
                        effect=_NOTHING,
                        hint="squash up to a version before the first migration that uses it, with `--to`",
                    )
                )


def _read(url: str, tracking: str) -> tuple[SchemaSnapshot, str]:
    """Return everything that is in a database but zmig's own, and the role that made it."""
    with psycopg.connect(url, autocommit=True) as connection:
        return schema_reader.read(connection, Scope(tracking)), connection.info.user


def _alone(folder: Path, draft: Draft, text: str) -> Path:
    """Write a manifest that declares the squash and nothing else; return its path."""
    (folder / f"{draft.name}.sql").write_text(text, encoding="utf-8")
    entry: dict[str, object] = {"version": draft.version, "file": f"{draft.name}.sql", "replaces": str(draft.replaces)}
    run_as = draft.home.manifest.defaults.run_as
    if run_as is not None:
        entry["run_as"] = run_as
    manifest = folder / "squash.yaml"
    content: dict[str, object] = {
        "manifest": 1,
        "environment": "test",
        "tracking": {"schema": draft.project.tracking.schema},
        "defaults": {"statement_timeout": 0},
        "migrations": [entry],
    }
    manifest.write_text(json.dumps(content), encoding="utf-8")
    return manifest


def _inapplicable(draft: Draft, problem: Problem) -> Problem:
    """Return what is wrong with a dump that the server does not take back."""
    text = problem.location.text if problem.location is not None else None
    return Problem(
        "squash-differs",
        f"what pg_dump wrote of {draft.replaces} cannot be applied: {problem.message.partition(' failed: ')[2]}",
        facts=(*(() if text is None else (f"in `{text.strip()}`",)), *problem.facts),
        effect=_NOTHING,
        hint="squash up to a version before what it cannot repeat, with `--to`",
    )


def _differs(draft: Draft, different: Sequence[Difference]) -> Problem:
    facts: list[str] = []
    for one in different[:_SHOWN_DIFFERENCES]:
        facts += [f"{one.kind.value} {one.identity}: {one.change.value}", *(f"  {line}" for line in one.lines)]
    if (left := len(different) - _SHOWN_DIFFERENCES) > 0:
        facts.append(f"and {left} more")
    return Problem(
        "squash-differs",
        f"one file of {draft.replaces} does not make what they make one by one: {len(different)} objects differ",
        facts=tuple(facts),
        effect=_NOTHING,
        hint="squash up to a version before what differs, with `--to`",
    )


def _rows_differ(draft: Draft) -> Problem:
    return Problem(
        "squash-differs",
        f"one file of {draft.replaces} does not bring the rows that `--data` asks for as they are",
        facts=("a default, a trigger or a type of theirs gives other values each time",),
        effect=_NOTHING,
        hint="leave the table out of `--data`, and insert its rows in a migration of their own",
    )


_RELATIONS = """
select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relkind::text, quote_ident(rn.nspname) || '.' ||
    quote_ident(r.relname), rn.nspname || '.' || r.relname, r.relname::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_depend d on c.relkind = 'S' and d.classid = 'pg_class'::regclass and d.objid = c.oid
        and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
    join pg_catalog.pg_class r on r.oid = coalesce(d.refobjid, pg_partition_root(c.oid), c.oid)
    join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
where c.relkind in ('r', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not (rn.nspname = {schema} and r.relname in ('migration_events', 'schema_migrations'))
    and not exists (select from pg_catalog.pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid
        and e.deptype = 'e')
order by 1
"""
"""Every table and sequence with what it belongs to: the table it is a partition of, or the one that owns it."""


class _Rows:
    """The rows in a database, and which of them are wanted."""

    def __init__(self, url: str, tracking: str, data: Collection[str]) -> None:
        self.unwanted: list[str] = []
        """The tables and sequences whose rows are not wanted, quoted."""
        self._wanted: list[tuple[str, str]] = []
        """Those whose rows are, each with its kind."""
        counts: dict[str, int | None] = {}
        with psycopg.connect(url, autocommit=True) as connection:
            query = _RELATIONS.format(schema=literal(tracking)).encode()
            relations = cast("list[tuple[str, str, str, str, str]]", connection.execute(query).fetchall())
            known = {name: root for _, _, root, qualified, short in relations for name in (qualified, short)}
            if unknown := [name for name in data if name not in known and name not in known.values()]:
                raise UsageError(_unknown_table(unknown[0], known))
            wanted = {known.get(name, name) for name in data}
            for name, kind, root, _, _ in relations:
                if root in wanted:
                    self._wanted.append((name, kind))
                    continue
                self.unwanted.append(name)
                if kind == "r" and (number := _counted(connection, f"select count(*) from only {name}")):
                    counts[root] = (counts.get(root) or 0) + number
                elif kind == "S" and name == root and _counted(connection, f"select is_called::int from {name}"):
                    counts[root] = None
        self.left_out = tuple(LeftOut(name, number) for name, number in sorted(counts.items()))

    def wanted_rows(self, url: str) -> list[object]:
        """Return what is in the tables and sequences that are wanted, as a hash for each."""
        rows = "count(*), md5(coalesce(string_agg(t::text, e'\\n' order by t::text collate \"C\"), ''))"
        found: list[object] = []
        with psycopg.connect(url, autocommit=True) as connection:
            for name, kind in self._wanted:
                what, only = (rows, "only ") if kind == "r" else ("last_value, is_called", "")
                found.append((name, connection.execute(f"select {what} from {only}{name} as t".encode()).fetchone()))
        return found


def _counted(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    return 0 if row is None else cast("int", row[0])


def _unknown_table(name: str, known: Collection[str]) -> Problem:
    near = nearest(name, known)
    hint = f"write `--data {near}`" if near else "write tables as `schema.table`, with commas between them"
    return Problem("unknown-table", f"no table is called `{name}`", effect=_NOTHING, hint=hint)


def write(draft: Draft, text: str | None) -> None:
    """Put a squash in its place: its file, then the manifest, and then what it replaces goes, if it is to.

    Raises:
        UsageError: the file is there meanwhile, or one cannot be written, or the manifest was changed meanwhile.
    """
    try:
        with ExitStack() as undo:
            if text is not None:
                written_file.create(draft.file, text.encode())
                undo.callback(draft.file.unlink, missing_ok=True)
            scaffold.replace_manifest(draft.home, draft.manifest_text)
            undo.pop_all()
        for file in draft.deleted:
            file.unlink(missing_ok=True)
    except FileExistsError:
        message = f"`{draft.file}` exists already"
        raise UsageError(
            Problem("file-exists", message, effect=_NOTHING, hint="choose another name with `--name NAME`")
        ) from None
    except OSError as error:
        message = f"`{error.filename}` cannot be written: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("file-unwritable", message, hint=f"run `ls -ld {error.filename}`")) from None
