"""The other tools: how a project of each is written, and how the tool itself is run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.takeover.steps import Step


class Unavailable(Exception):
    """The tool is not installed here."""


class ToolFailed(Exception):
    """The tool ended with an error."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the tools are."""

    node: Path | None
    """The folder that holds `node_modules`."""
    programs: Sequence[Path]
    """Folders with programs, looked through before PATH."""

    def program(self, name: str) -> str:
        """Return the path of a program. Raises Unavailable."""
        folders = [*self.programs, *([] if self.node is None else [self.node / "node_modules" / ".bin"])]
        found = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
        if found is None:
            raise Unavailable(f"`{name}` is not installed")
        return found

    def package(self, name: str) -> Path:
        """Return the folder of a package of npm. Raises Unavailable."""
        folder = None if self.node is None else self.node / "node_modules" / name
        if folder is None or not folder.is_dir():
            raise Unavailable(f"the package `{name}` of npm is not installed")
        return folder


def run(command: Sequence[str], folder: Path, *, environ: Mapping[str, str] | None = None) -> str:
    """Run a tool in a project; return what it printed. Raises ToolFailed."""
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise ToolFailed(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def write(path: Path, text: str) -> None:
    """Write a file, with its folders, unless it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(text, encoding="utf-8")


class Tool:
    """One tool; each adds how it is written and run."""

    name: str
    table: str
    """Where it keeps its history."""
    takes_concurrently = True
    """Whether it can run what no transaction can hold."""
    has_rollback = True
    is_code = False

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.check()

    def check(self) -> None:
        """Make sure that it is installed. Raises Unavailable."""

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        """Write the project's files; those that are there stay as they are."""
        raise NotImplementedError

    def apply(self, folder: Path, url: str) -> None:
        """Apply all that is written."""
        raise NotImplementedError


class Dbmate(Tool):
    name, table = "dbmate", "public.schema_migrations"

    def check(self) -> None:
        self._installation.program("dbmate")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        for step in steps:
            option = "" if step.transactional else " transaction:false"
            text = f"-- migrate:up{option}\n{step.up}\n-- migrate:down{option}\n{step.down}"
            write(folder / "db" / "migrations" / f"{step.timestamp}_{step.name}.sql", text)

    def apply(self, folder: Path, url: str) -> None:
        run([self._installation.program("dbmate"), "--no-dump-schema", "--url", _go(url), "up"], folder)


def _go(url: str) -> str:
    return f"{url.partition('?')[0]}?sslmode=disable"


class NodePgMigrate(Tool):
    name, table = "node-pg-migrate", "public.pgmigrations"
    takes_concurrently = False

    def check(self) -> None:
        self._installation.program("node-pg-migrate")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        for step in steps:
            text = f"-- Up Migration\n{step.up}\n-- Down Migration\n{step.down}"
            write(folder / "migrations" / f"17092881{step.number:05d}_{step.name}.sql", text)
        write(folder / "package.json", '{"name": "shop", "dependencies": {"node-pg-migrate": "*"}}\n')

    def apply(self, folder: Path, url: str) -> None:
        program = self._installation.program("node-pg-migrate")
        run([program, "up"], folder, environ={"DATABASE_URL": url.partition("?")[0]})


class PostgresMigrations(Tool):
    name, table = "postgres-migrations", "public.migrations"
    has_rollback = False

    def check(self) -> None:
        self._installation.package("postgres-migrations")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        for step in steps:
            mark = "" if step.transactional else "-- postgres-migrations disable-transaction\n"
            write(folder / "migrations" / f"{step.number}_{step.name}.sql", mark + step.up)
        write(folder / "package.json", '{"name": "shop", "dependencies": {"postgres-migrations": "*"}}\n')

    def apply(self, folder: Path, url: str) -> None:
        script = (
            "const {migrate} = require(process.argv[1]); const {Client} = require(process.argv[2]);"
            "(async () => { const client = new Client({connectionString: process.argv[3]}); await client.connect();"
            "try { await migrate({client}, 'migrations') } finally { await client.end() } })()"
            ".catch(error => { console.error(error); process.exit(1) })"
        )
        packages = [str(self._installation.package(name)) for name in ("postgres-migrations", "pg")]
        run([self._installation.program("node"), "-e", script, *packages, url.partition("?")[0]], folder)


class GraphileMigrate(Tool):
    name, table = "graphile-migrate", "graphile_migrate.migrations"
    has_rollback = False

    def check(self) -> None:
        self._installation.program("graphile-migrate")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        previous = None
        for step in steps:
            body = (step.up if step.transactional else f"--! no-transaction\n{step.up}").strip()
            seed = f"{previous or ''}\n{body}".strip() + "\n"
            digest = "sha1:" + hashlib.sha1(seed.encode()).hexdigest()
            head = f"--! Previous: {previous or '-'}\n--! Hash: {digest}\n\n"
            write(folder / "migrations" / "committed" / f"{step.number:06d}.sql", f"{head}{body}\n")
            previous = digest
        write(folder / "migrations" / "current.sql", "-- Enter migration here\n")
        write(folder / ".gmrc", "{}\n")

    def apply(self, folder: Path, url: str) -> None:
        bare = url.partition("?")[0]
        others = {f"{which}_DATABASE_URL": f"{bare}_{which.lower()}" for which in ("ROOT", "SHADOW")}
        environ = {"DATABASE_URL": bare, **others}  # it insists on three, and `migrate` connects to one
        run([self._installation.program("graphile-migrate"), "migrate"], folder, environ=environ)


class Drizzle(Tool):
    name, table = "drizzle", "drizzle.__drizzle_migrations"
    takes_concurrently = False
    has_rollback = False

    def check(self) -> None:
        self._installation.package("drizzle-orm")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        entries: list[dict[str, object]] = []
        for index, step in enumerate(steps):
            tag = f"{index:04d}_{step.name}"
            text = step.up.replace("create trigger", "--> statement-breakpoint\ncreate trigger")
            write(folder / "drizzle" / f"{tag}.sql", text)
            entries.append(
                {"idx": index, "version": "7", "when": 1709288100000 + index, "tag": tag, "breakpoints": True}
            )
        journal = folder / "drizzle" / "meta" / "_journal.json"
        journal.parent.mkdir(exist_ok=True)
        journal.write_text(json.dumps({"version": "7", "dialect": "postgresql", "entries": entries}))

    def apply(self, folder: Path, url: str) -> None:
        script = (
            "const base = process.argv[1]; const {drizzle} = require(base + '/drizzle-orm/node-postgres');"
            "const {migrate} = require(base + '/drizzle-orm/node-postgres/migrator');"
            "const {Client} = require(base + '/pg');"
            "(async () => { const client = new Client({connectionString: process.argv[2]}); await client.connect();"
            "try { await migrate(drizzle(client), {migrationsFolder: 'drizzle'}) } finally { await client.end() } })()"
            ".catch(error => { console.error(error); process.exit(1) })"
        )
        modules = str(self._installation.package("drizzle-orm").parent)
        run([self._installation.program("node"), "-e", script, modules, url.partition("?")[0]], folder)


class Supabase(Tool):
    name, table = "supabase", "supabase_migrations.schema_migrations"
    takes_concurrently = False
    has_rollback = False

    def check(self) -> None:
        self._installation.program("supabase")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        for step in steps:
            write(folder / "supabase" / "migrations" / f"{step.timestamp}_{step.name}.sql", step.up)
        write(folder / "supabase" / "config.toml", 'project_id = "shop"\n')

    def apply(self, folder: Path, url: str) -> None:
        command = [self._installation.program("supabase"), "migration", "up", "--db-url", _go(url)]
        run(command, folder, environ={"HOME": str(folder), "DO_NOT_TRACK": "1"})


class Liquibase(Tool):
    name, table = "liquibase", "public.databasechangelog"

    def check(self) -> None:
        self._installation.package("liquibase")
        self._installation.program("java")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        """Write a root in XML that includes a file for each step: in SQL, in YAML, or with a file that it runs."""
        included: list[str] = []
        for step in steps:
            form = (self._in_sql, self._in_yaml, self._beside_xml)[step.number % 3]
            included.append(form(folder / "changes", step))
        includes = "".join(f'  <include file="changes/{name}"/>\n' for name in included)
        root = f"<databaseChangeLog {self._SPACE}>\n{includes}</databaseChangeLog>\n"
        (folder / "changelog.xml").write_text(root, encoding="utf-8")
        write(folder / "liquibase.properties", "changeLogFile: changelog.xml\n")

    _SPACE = (
        'xmlns="http://www.liquibase.org/xml/ns/dbchangelog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog '
        'http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-4.1.xsd"'
    )

    def _in_sql(self, folder: Path, step: Step) -> str:
        options = " splitStatements:false" if "$body$" in step.up else ""
        options += "" if step.transactional else " runInTransaction:false"
        undo = "".join(f"--rollback {line}\n" for line in step.down.splitlines())
        text = f"--liquibase formatted sql\n\n--changeset ann:{step.name}{options}\n{step.up}{undo}"
        write(folder / f"{step.name}.sql", text)
        return f"{step.name}.sql"

    def _in_yaml(self, folder: Path, step: Step) -> str:
        change: dict[str, object] = {"sql": step.up, "splitStatements": "$body$" not in step.up}
        rollback = [{"sql": {"sql": step.down}}]
        changeset: dict[str, object] = {
            "id": step.name,
            "author": "ann",
            "runInTransaction": step.transactional,
            "changes": [{"sql": change}],
            "rollback": rollback,
        }
        write(folder / f"{step.name}.yaml", json.dumps({"databaseChangeLog": [{"changeSet": changeset}]}, indent=2))
        return f"{step.name}.yaml"

    def _beside_xml(self, folder: Path, step: Step) -> str:
        write(folder / f"{step.name}.up.sql", step.up)
        splits, runs = (str(one).lower() for one in ("$body$" not in step.up, step.transactional))
        text = (
            f'<databaseChangeLog {self._SPACE}>\n<changeSet id="{step.name}" author="ann" runInTransaction="{runs}">\n'
            f'<sqlFile path="changes/{step.name}.up.sql" splitStatements="{splits}"/>\n'
            f"<rollback><![CDATA[{step.down}]]></rollback>\n</changeSet>\n</databaseChangeLog>\n"
        )
        write(folder / f"{step.name}.xml", text)
        return f"{step.name}.xml"

    def apply(self, folder: Path, url: str) -> None:
        place = self._installation.package("liquibase") / "dist"
        jars = [place / "liquibase" / "liquibase.jar", place / "liquibase" / "lib" / "*"]
        parts = urlsplit(url)
        command = [
            self._installation.program("java"),
            "-cp",
            os.pathsep.join(map(str, [*jars, place / "drivers" / "postgresql-42.2.8.jar"])),
            "liquibase.integration.commandline.LiquibaseCommandLine",
            f"--url=jdbc:postgresql://{parts.hostname}:{parts.port}{parts.path}?sslmode=disable",
            f"--username={parts.username}",
            "--changeLogFile=changelog.xml",
            "update",
        ]
        run(command, folder)


class Sqitch(Tool):
    name, table = "sqitch", "sqitch.changes"

    def check(self) -> None:
        self._installation.program("sqitch")
        self._installation.program("psql")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        plan = ["%syntax-version=1.0.0", "%project=shop", ""]
        for step in steps:
            plan.append(f"{step.name} 2024-03-0{step.number}T10:15:00Z Ann <ann@example.org> # {step.name}")
            for direction, text in (("deploy", step.up), ("revert", step.down)):
                begin, end = ("BEGIN;\n\n", "\nCOMMIT;\n") if step.transactional else ("", "")
                header = f"-- {direction.title()} shop:{step.name} to pg\n\n"
                write(folder / direction / f"{step.name}.sql", f"{header}{begin}{text}{end}")
        (folder / "sqitch.plan").write_text("\n".join(plan) + "\n", encoding="utf-8")
        write(folder / "sqitch.conf", "[core]\n\tengine = pg\n")

    def apply(self, folder: Path, url: str) -> None:
        target = "db:pg" + url.partition("?")[0].removeprefix("postgresql")
        environ = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.org", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        run([self._installation.program("sqitch"), "deploy", target], folder, environ=environ)


class Yoyo(Tool):
    name, table = "yoyo", "public._yoyo_migration"

    def check(self) -> None:
        self._installation.program("yoyo")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        before = None
        for step in steps:
            identity = f"{step.timestamp}_{step.name}"
            head = f"-- {step.name}\n" + (f"-- depends: {before}\n" if before else "")
            head += "" if step.transactional else "-- transactional: false\n"
            write(folder / "migrations" / f"{identity}.sql", f"{head}\n{step.up}")
            write(folder / "migrations" / f"{identity}.rollback.sql", step.down)
            before = identity
        write(folder / "yoyo.ini", "[DEFAULT]\nsources = %(here)s/migrations\nmigration_table = _yoyo_migration\n")

    def apply(self, folder: Path, url: str) -> None:
        scheme = "postgresql+psycopg" + url.partition("?")[0].removeprefix("postgresql")
        run([self._installation.program("yoyo"), "apply", "--batch", "--database", scheme], folder)


class Alembic(Tool):
    name, table = "alembic", "public.alembic_version"
    is_code = True

    def check(self) -> None:
        self._installation.program("alembic")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        write(folder / "alembic.ini", "[alembic]\nscript_location = migrations\n")
        write(folder / "migrations" / "env.py", _ALEMBIC_ENVIRONMENT)
        before = None
        for step in steps:
            revision = f"{step.number:012x}"
            if step.transactional:
                statements = [f"    op.execute({step.up!r})"]
            else:
                statements = ["    with op.get_context().autocommit_block():", f"        op.execute({step.up!r})"]
            text = [
                "from alembic import op",
                f"revision = {revision!r}",
                f"down_revision = {before!r}",
                "def upgrade():",
                *statements,
                "def downgrade():",
                f"    op.execute({step.down!r})",
            ]
            write(folder / "migrations" / "versions" / f"{revision}_{step.name}.py", "\n".join(text) + "\n")
            before = revision

    def apply(self, folder: Path, url: str) -> None:
        scheme = "postgresql+psycopg" + url.partition("?")[0].removeprefix("postgresql")
        run([self._installation.program("alembic"), "upgrade", "head"], folder, environ={"URL": scheme})


_ALEMBIC_ENVIRONMENT = """import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class Knex(Tool):
    name, table = "knex", "public.knex_migrations"
    is_code = True

    def check(self) -> None:
        self._installation.package("knex")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        for step in steps:
            up, down = json.dumps(step.up.replace("?", "\\?")), json.dumps(step.down)
            config = "" if step.transactional else "exports.config = {transaction: false};\n"
            text = f"exports.up = knex => knex.raw({up});\nexports.down = knex => knex.raw({down});\n{config}"
            write(folder / "migrations" / f"{step.timestamp}_{step.name}.js", text)
        write(folder / "package.json", '{"name": "shop", "dependencies": {"knex": "*"}}\n')
        write(folder / "knexfile.js", "module.exports = {client: 'pg', connection: process.env.DATABASE_URL};\n")

    def apply(self, folder: Path, url: str) -> None:
        script = (
            "const knex = require(process.argv[1])({client: 'pg', connection: process.argv[2],"
            " migrations: {directory: 'migrations'}});"
            "knex.migrate.latest().then(() => knex.destroy(), error => { console.error(error); process.exit(1) })"
        )
        package = str(self._installation.package("knex"))
        run([self._installation.program("node"), "-e", script, package, url.partition("?")[0]], folder)


class Django(Tool):
    name, table = "django", "public.django_migrations"
    is_code = True

    def check(self) -> None:
        self._installation.program("django-admin")

    def write(self, folder: Path, steps: Sequence[Step]) -> None:
        settings = (
            "import os\nfrom urllib.parse import urlsplit\n_url = urlsplit(os.environ['URL'])\n"
            "SECRET_KEY = 'x'\nINSTALLED_APPS = ['shop']\nDATABASES = {'default': {'ENGINE': "
            "'django.db.backends.postgresql', 'NAME': _url.path[1:], 'USER': _url.username, 'HOST': _url.hostname, "
            "'PORT': _url.port}}\n"
        )
        write(folder / "settings.py", settings)
        write(folder / "shop" / "__init__.py", "")
        write(folder / "shop" / "migrations" / "__init__.py", "")
        before = None
        for step in steps:
            name = f"{step.number:04d}_{step.name}"
            text = [
                "from django.db import migrations",
                "class Migration(migrations.Migration):",
                f"    atomic = {step.transactional}",
                f"    dependencies = {[('shop', before)] if before else []!r}",
                f"    operations = [migrations.RunSQL({step.up!r}, {step.down!r})]",
            ]
            write(folder / "shop" / "migrations" / f"{name}.py", "\n".join(text) + "\n")
            before = name

    def apply(self, folder: Path, url: str) -> None:
        environ = {"URL": url, "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "settings"}
        run([self._installation.program("django-admin"), "migrate", "shop"], folder, environ=environ)


TOOLS: tuple[type[Tool], ...] = (
    Dbmate,
    NodePgMigrate,
    PostgresMigrations,
    GraphileMigrate,
    Drizzle,
    Supabase,
    Liquibase,
    Sqitch,
    Yoyo,
    Alembic,
    Knex,
    Django,
)
"""All that can be installed from the registries."""
