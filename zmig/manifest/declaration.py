"""What a manifest declares, as values. Paths are still text, relative to the manifest."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.manifest import variables
from zmig.manifest.lint_keys import LintSettings
from zmig.manifest.yaml_parser import Mapping as MappingNode
from zmig.manifest.yaml_parser import Scalar
from zmig.model import Batch, Environment, Kind, Language, Repeat, Settings, VerifyQuery, Versions
from zmig.valueclass import field, slotted, valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from dataclasses import KW_ONLY
    from pathlib import Path

    from zmig.manifest.lint_keys import Ignored
    from zmig.manifest.yaml_parser import Document, Node


@valueclass
class DatabaseUrl:
    """A connection string whose variables are looked up only when it is needed: commands without a database work
    where they are not set, and so does `--database-url`.
    """

    template: str = field(repr=False)
    """As it is written in the manifest; may hold a password."""
    declared_at: Location

    def resolve(self, environ: Mapping[str, str]) -> str:
        """Return the connection string. Raises ManifestError, naming every variable that is not set."""
        text, faults = variables.expand(self.template, environ)
        if faults:
            raise ManifestError(
                *(
                    Problem(
                        fault.code,
                        f"`database.url` cannot be used: {fault.message}",
                        self.declared_at,
                        hint=fault.hint
                        if fault.name is None
                        else f"run `export {fault.name}=postgresql://USER@HOST/DATABASE`, or give `--database-url`",
                    )
                    for fault in faults
                )
            )
        return text


@valueclass
class EmbeddedDatabase:
    """A private PostgreSQL in a folder of its own."""

    folder: Path
    """As it is written in a `Manifest`; ready to be opened in a `Project`."""


Database = DatabaseUrl | EmbeddedDatabase

LARGEST_VERSION = 2**63 - 1
"""Versions are stored as `bigint`."""

_LONGEST_SUBJECT = 120
_LANGUAGES = {"sql": Language.SQL, "py": Language.PYTHON}
KINDS = {Language.SQL: Kind.SQL, Language.PYTHON: Kind.PYTHON}
"""What a migration runs as that declares no kind."""


@valueclass
class Tracking:
    """How zmig remembers what it applied."""

    _: KW_ONLY
    schema: str = "zmig"
    stuck_after_seconds: float = 600.0
    """When a started migration counts as stuck, where nothing can be proved."""
    record_detail: bool = False
    """Whether the server's DETAIL line, which quotes row values, may be stored in facts."""
    owner: str | None = None
    """The role that made zmig's tables, where that is another one than those that may be trusted anyway."""
    allow_existing: bool = False
    """Whether the first run may go to a database that holds objects of others already."""
    group_commit: bool = True
    """Whether small migrations in a row may share one flush of WAL."""


class ColumnOrder(StrEnum):
    """What another order of columns is."""

    NOTE = "note"
    ERROR = "error"


@valueclass
class VerifySettings:
    """What of the database's schema counts when it is compared."""

    _: KW_ONLY
    schemas: tuple[str, ...] = ("*",)
    """The schemas that are looked at, with `*` and `?` as in file names."""
    ignore: tuple[str, ...] = ()
    """The schemas and relations that are left out, as `schema` or `schema.name`, with `*` and `?`."""
    record: bool = True
    """Whether a run that changed something records what the schema is like."""
    any_version: bool = False
    """Whether a scratch database may be on a server of another major version."""
    column_order_counts: bool = False
    """Whether another order of columns is a finding, and not a note."""


@valueclass
class Variable:
    """A text for `${name}` in SQL files."""

    value: str = field(repr=False)
    is_secret: bool
    """Whether it holds a value of the environment."""


@valueclass
class Include:
    """Another manifest whose migrations are added."""

    path: str
    declared_at: Location


# Compared as an object, like the node that it was read from.
@slotted
class Declaration:
    """One entry of `migrations`. What did not fit the schema is None, and a problem says so."""

    node: MappingNode = field(repr=False)
    document: Document = field(repr=False)
    _: KW_ONLY
    version: int | None
    file: str | None
    given_name: str | None
    name: str | None
    """What facts and messages call the migration: the given name, else the file's stem."""
    language: Language | None
    """What the file is written in, as its suffix says."""
    kind: Kind | None
    rollback: str | None
    settings: Settings
    repeat: Repeat | None = None
    transaction: bool | None = None
    description: str | None = None
    ignores: tuple[Ignored, ...] = ()
    """What `zmig lint` does not report of it."""
    batch: Batch | None = None
    verify: VerifyQuery | None = None
    """What is asked once it has run; its file is as the manifest has it."""
    has_variables: bool = False
    """Whether `${name}` in its SQL files is replaced."""
    replaces: Versions | None = None
    """The versions that it takes the place of."""
    is_empty: bool = False
    """Whether its file is to hold no statement."""
    origin: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What other tools call it, or have called it, by their names."""

    @property
    def effective_kind(self) -> Kind | None:
        """The declared kind, else the one that fits the file's suffix."""
        return self.kind if self.kind is not None or self.language is None else KINDS[self.language]

    @property
    def subject(self) -> str:
        """How messages begin that speak of this entry."""
        return subject_of(self.node)

    @property
    def name_key(self) -> str:
        """The key whose value gives the name."""
        return "file" if self.given_name is None else "name"

    def text(self, key: str) -> str:
        """Return the value of `key` as it is written, before variables are replaced: fit to be shown.

        Of a mapping, that is the one of its `file`.
        """
        node = self._value(key)
        return node.text if isinstance(node, Scalar) else ""

    def _value(self, key: str) -> Node | None:
        node = self.node.get(key)
        return (node.get("file") or node) if isinstance(node, MappingNode) else node

    @property
    def locate(self) -> Callable[[], Location]:
        """What works out where the entry begins, without keeping the manifest's tree."""
        return partial(self.document.source.location, self.node.start)

    def location(self, key: str | None = None) -> Location:
        """Return where the value of `key` is; without one, or where it is absent, where the entry begins."""
        node = None if key is None else self._value(key)
        return self.document.location(self.node if node is None else node)


def language(path: str) -> Language | None:
    """Return what a file is written in, as its suffix says."""
    return _LANGUAGES.get(path.rpartition(".")[2].lower())


def stem(path: str) -> str:
    """Return a file's name without its suffix."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def subject_of(entry: Node) -> str:
    """Return what messages call an entry of `migrations`, from what is written in it."""
    if isinstance(entry, MappingNode):
        for key in ("name", "file", "version"):
            node = entry.get(key)
            text = node.text if isinstance(node, Scalar) else ""
            if text.strip() and text.isprintable() and len(text) <= _LONGEST_SUBJECT:
                return f"manifest entry `{stem(text) if key == 'file' else text}`"
    return "a manifest entry"


@valueclass
class Manifest:
    """Everything one manifest declares, and everything that is wrong with it."""

    document: Document = field(repr=False)
    _: KW_ONLY
    name: str | None = None
    environment: Environment = Environment.PRODUCTION
    database: Database | None = None
    tracking: Tracking = Tracking()
    includes: tuple[Include, ...] = ()
    variables: Mapping[str, Variable] = field(default_factory=dict[str, Variable])
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What no import brings, by the other tool's name."""
    declarations: tuple[Declaration, ...] = ()
    declares_migrations: bool = False
    """Whether it has `migrations`, be it without an entry."""
    defaults: Settings = field(default_factory=Settings)
    """What applies to a migration that says nothing else."""
    lint: LintSettings = field(default_factory=LintSettings)
    """What `zmig lint` needs to know."""
    verify: VerifySettings = VerifySettings()
    """What counts when schemas are compared."""
    schema_file: str | None = None
    """The file that `zmig schema` keeps; None where there is none."""
    problems: tuple[Problem, ...] = ()
