"""`pg_dump`, and its output as a migration: what it says to psql and to the session is left out, the rest is kept.

pg_dump names everything with its schema, so a script of it means the same whatever the search path is; that it empties
that path would only keep functions without one of their own from finding anything while rows are inserted.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import conninfo

from zmig.catalog.objects import major
from zmig.embedded import binaries
from zmig.errors import Problem, ServerError, UsageError
from zmig.sql import script
from zmig.sql.quoting import identifier
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from dataclasses import KW_ONLY

_VERSION = re.compile(r"pg_dump \(PostgreSQL\) (\d+)((?:[^\d\s]\S*)?)")
_OPTIONS = (
    "--format=plain",
    "--no-password",
    "--no-blobs",
    "--encoding=UTF8",
    "--column-inserts",
    "--rows-per-insert=500",
)
_SETTING = re.compile(r"set (\w+) = (.*)", re.IGNORECASE | re.DOTALL)
_USUAL_SETTINGS = {"default_tablespace": "''", "default_table_access_method": "heap"}
"""What stays as it is on most servers; where a dump sets another value, each of its settings is kept."""
_EMPTY_PATH = re.compile(r"select pg_catalog\.set_config\('search_path', '', false\)", re.IGNORECASE)
_GUARD = "migration_events_refuse_change("
_HAS_OWNER = re.compile(r"alter .* owner to (\S.*)", re.IGNORECASE | re.DOTALL)
_RIGHTS = re.compile(r"(grant|revoke)\b.* (?:to|from) (\S.*?)( with grant option)?", re.IGNORECASE | re.DOTALL)
_FOR_ROLE = re.compile(r"(alter default privileges) for role (\"(?:[^\"]|\"\")*\"|\S+)", re.IGNORECASE)


@valueclass
class Dump:
    """What a database is made of, as pg_dump writes it."""

    text: str
    version: str
    """That of pg_dump."""


@valueclass
class Contents:
    """What of a database is dumped."""

    _: KW_ONLY
    tracking_schema: str
    excludes_schema: bool
    """Whether nothing but zmig's own tables is in that schema."""
    without_rows: Collection[str] = ()
    """The tables and sequences of which only the definition is wanted, quoted and with their schemas."""
    left_out: Collection[str] = ()
    """The tables and sequences that are not wanted, quoted and with their schemas."""
    left_out_schemas: Collection[str] = ()
    has_rows: bool = True
    """Whether rows are wanted at all."""


def take(url: str, contents: Contents, *, server_version: int, given: str | None, environ: Mapping[str, str]) -> Dump:
    """Return a dump of a database. `given` is the program to use, where somebody names one.

    Raises:
        ServerError: there is no pg_dump of the server's version or a later one, or it failed.
    """
    program, version = _program(major(server_version), given)
    # In quotes a name is no pattern to pg_dump.
    schema = identifier(contents.tracking_schema)
    tables = (f"{schema}.migration_events", f"{schema}.schema_migrations")
    left_out = (
        [f"--exclude-schema={schema}"] if contents.excludes_schema else [f"--exclude-table={one}" for one in tables]
    )
    left_out += [f"--exclude-table={name}" for name in contents.left_out]
    left_out += [f"--exclude-schema={identifier(name)}" for name in contents.left_out_schemas]
    without = [f"--exclude-table-data={name}" for name in contents.without_rows]
    if not contents.has_rows:
        without += ["--schema-only", "--no-subscriptions"]  # a subscription has a password in it
    parts = conninfo.conninfo_to_dict(url)
    password = parts.pop("password", None)
    variables = {**environ, "LC_ALL": "C"} | ({} if password is None else {"PGPASSWORD": str(password)})
    named = conninfo.make_conninfo("", **parts)
    command = [program, *_OPTIONS, *left_out, *without, f"--dbname={named}"]
    ended = subprocess.run(command, env=variables, capture_output=True, check=False)
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        raise ServerError(
            Problem(
                "pg-dump-failed",
                f"`{program}` ended with status {ended.returncode}",
                facts=tuple(said[:5]),
                effect="nothing was written",
                hint="see what it says above; another one is named with `--pg-dump FILE`",
            )
        )
    return Dump(ended.stdout.decode(), version)


def _program(major: int, given: str | None) -> tuple[str, str]:
    """Return the pg_dump to use, with its version: of the server's major version, else of the next later one."""
    found: dict[str, tuple[int, str]] = {}
    for program in (given,) if given is not None else _programs():
        version = _version(program)
        if version is not None:
            found.setdefault(program, version)
    fit = [(number, program, version) for program, (number, version) in found.items() if number >= major]
    if fit:
        _, program, version = min(fit, key=lambda one: one[0])
        return program, version
    facts = tuple(f"`{program}` is version {version}" for program, (_, version) in found.items())
    if given is not None and not found:
        facts = (f"`{given}` is no pg_dump",)
    raise ServerError(
        Problem(
            "pg-dump-missing",
            f"no `pg_dump` of version {major} or later was found, which the server needs",
            facts=facts,
            effect="nothing was written",
            hint=f"install the client programs of PostgreSQL {major}, or name one with `--pg-dump FILE`",
        )
    )


def _programs() -> Iterator[str]:
    """Yield every pg_dump there is: beside a server's binaries, and on the path."""
    for folder in binaries.candidates():
        if (program := folder.path("pg_dump")).is_file():
            yield str(program)
    for folder in ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"):
        yield from sorted(str(path / "pg_dump") for path in Path("/").glob(folder[1:]) if (path / "pg_dump").is_file())
    if (on_path := shutil.which("pg_dump")) is not None:
        yield on_path


def _version(program: str) -> tuple[int, str] | None:
    try:
        ended = subprocess.run([program, "--version"], capture_output=True, check=False)
    except OSError:
        return None
    match = _VERSION.match(ended.stdout.decode(errors="replace"))
    return None if match is None else (int(match[1]), f"{match[1]}{match[2]}")


def statements(text: str, *, role: str, own_role: str | None = None) -> list[str]:
    """Return the statements of a dump that a migration needs, in order. Pure.

    `role` is the one that made the database: it is another one elsewhere, so what it owns is left to whoever runs the
    migration, unless that works as `own_role`.

    Raises:
        UsageError: something in it only a superuser may do, as somebody else.
    """
    texts = [statement.text.strip() for statement in script.split(text, path="pg_dump")]
    kept = _kept_settings(texts)
    made = [shown for one in texts if (shown := _shown(one, kept, _names(role), own_role and _names(own_role)))]
    is_set = [f"reset {name}" for name in kept]
    return ["set check_function_bodies = off", *made, "reset check_function_bodies", *is_set]


def _kept_settings(texts: Iterable[str]) -> set[str]:
    """Return the settings that decide where tables are, if a dump gives them another value than the usual one."""
    kept: set[str] = set()
    for text in texts:
        match = _SETTING.fullmatch(text)
        if match is not None and match[2] != _USUAL_SETTINGS.get(match[1], match[2]):
            kept.add(match[1])
    return kept


def _names(role: str) -> frozenset[str]:
    """Return how a role may be written."""
    return frozenset({role, identifier(role)})


def _shown(text: str, kept: Collection[str], role: Collection[str], own_role: Collection[str] | None) -> str | None:
    """Return a statement as it is written; None for one that is left out."""
    if text[:28].lower().startswith("set session authorization"):
        raise UsageError(_as_another(text))
    setting = _SETTING.fullmatch(text)
    if setting is not None:
        return text if setting[1] in kept else None
    if _EMPTY_PATH.fullmatch(text) or text.lower().startswith("comment on extension "):
        return None
    if _GUARD in text and not text.lower().startswith("insert "):
        return None
    owner = _HAS_OWNER.fullmatch(text)
    if owner is not None:
        if owner[1] in (own_role or role):
            return None
        return f"{text[: owner.start(1)]}session_user" if owner[1] in role else text
    text = _FOR_ROLE.sub(lambda match: match[1] if match[2] in (own_role or role) else match[0], text)
    rights = _RIGHTS.fullmatch(text)
    if rights is not None and rights[2] in role:
        text = f"{text[: rights.start(2)]}session_user{text[rights.end(2) :]}"
    return text


def _as_another(text: str) -> Problem:
    return Problem(
        "squash-unfit",
        "a right was granted by another role than the owner, which only a superuser could repeat",
        facts=(f"pg_dump writes `{text}`",),
        effect="nothing was written",
        hint="let the owner grant it, in a migration before the squash",
    )
