"""A manifest's text as values: `read` takes text and gives a `Manifest`, and opens nothing.

It never raises. What is wrong is in `Manifest.problems`, and everything else is read all the same, so that
the problems of a manifest, its includes and its files can be reported at once.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Location, Problem
from zmig.manifest import durations, lint_keys, plain_yaml, semantic_checks, typed_reader, variables, yaml_parser
from zmig.manifest.declaration import (
    LARGEST_VERSION,
    ColumnOrder,
    Database,
    DatabaseUrl,
    Declaration,
    EmbeddedDatabase,
    Include,
    Manifest,
    Tracking,
    Variable,
    VerifySettings,
    language,
    stem,
)
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence
from zmig.model import Batch, Environment, Kind, Repeat, RepeatRule, Retry, Settings, VerifyQuery
from zmig.valueclass import replace

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping as Map

    from zmig.manifest.yaml_parser import Document, Node

_MANIFEST_KEYS = frozenset(
    {
        "manifest",
        "name",
        "environment",
        "database",
        "tracking",
        "include",
        "variables",
        "import",
        "defaults",
        "lint",
        "verify",
        "schema",
        "migrations",
    }
)
_REQUIRED_KEYS = frozenset({"manifest"})
_DATABASE_KEYS = frozenset({"url", "embedded"})
_TRACKING_KEYS = frozenset({"schema", "owner", "stuck_after", "record_detail", "allow_existing", "group_commit"})
_VERIFY_KEYS = frozenset({"schemas", "ignore", "record", "any_version", "column_order"})
_SCHEMA_KEYS = frozenset({"file"})
_IMPORT_KEYS = frozenset({"leave_out"})
_LONGEST_NAME_BYTES = 63
"""See "Identifiers and Key Words" in the PostgreSQL documentation: NAMEDATALEN is 64, with a zero at the end."""

_SETTINGS_KEYS = frozenset({"lock_timeout", "statement_timeout", "retry", "run_as"})
_RETRY_KEYS = frozenset({"attempts", "backoff", "max_backoff"})
_BATCH_KEYS = frozenset({"size", "start", "pause", "total", "max_lag"})
_REPEAT_KEYS = frozenset({"condition"})
_VERIFY_QUERY_KEYS = frozenset({"file"})
_REQUIRED_MIGRATION_KEYS = frozenset({"version", "file"})
_PLAIN_KEYS = frozenset({"version", "file", "name", "kind", "rollback"})
_MIGRATION_KEYS = (
    _SETTINGS_KEYS
    | _PLAIN_KEYS
    | {
        "repeat",
        "transaction",
        "description",
        "lint",
        "variables",
        "batch",
        "replaces",
        "verify",
        "empty",
        "origin",
    }
)


def read(text: str, *, label: str, environ: Map[str, str], is_included: bool = False) -> Manifest:
    """Return what `text` declares, with every problem in it; `label` is what locations call it.

    What counts only in the manifest that a command is given is checked in an included one, but its variables
    need not be set.
    """
    with yaml_parser.collector_paused():
        document = plain_yaml.parse(text, label=label) or yaml_parser.parse(text, label=label)
        if document.root is None:
            hint = "begin it with `manifest: 1`"
            empty = Problem("manifest-invalid", "the manifest is empty", Location(label), hint=hint)
            return Manifest(document, problems=document.problems or (empty,))
        return _Reading(document, environ, is_included=is_included).manifest(document.root)


class _Reading:
    """One pass over a document's tree."""

    def __init__(self, document: Document, environ: Map[str, str], *, is_included: bool) -> None:
        self._document = document
        self._environ = environ
        self._is_included = is_included
        self._reader = typed_reader.Reader()
        self._suspects: list[Node] = []
        """The entries of `migrations` that do not fit the schema."""
        self._problems: list[Problem] = []

    def manifest(self, root: Node) -> Manifest:
        top = self._reader.as_mapping(root, _MANIFEST_KEYS, _REQUIRED_KEYS)
        manifest = Manifest(self._document) if top is None else self._top(top)
        problems = [*self._document.problems, *self._problems, *semantic_checks.problems(manifest.declarations)]
        if self._reader.mismatches:
            from zmig.manifest import schema_errors

            explained = schema_errors.problems(self._document, root, suspects=self._suspects)
            assert explained, "the quick check refuses what the schema accepts"
            problems += explained
        problems.sort(key=lambda one: (0, 0) if one.location is None else (one.location.line, one.location.column))
        return replace(manifest, problems=tuple(problems))

    def _top(self, top: Mapping) -> Manifest:
        reader = self._reader
        reader.integer(top, "manifest", smallest=1, largest=1)
        node = reader.mapping(top, "defaults", _SETTINGS_KEYS)
        defaults = Settings() if node is None else self._settings(node, Settings())
        return Manifest(
            self._document,
            name=self._own(top, "name", typed_reader.NAME),
            environment=reader.choice(top, "environment", Environment) or Environment.PRODUCTION,
            database=self._database(top),
            tracking=self._tracking(top),
            includes=self._includes(top),
            variables=self._variables(top),
            left_out=self._left_out(top),
            declarations=self._declarations(top, defaults),
            declares_migrations=top.get("migrations") is not None,
            defaults=defaults,
            lint=lint_keys.settings(reader, top),
            verify=self._verify(top),
            schema_file=self._schema_file(top),
        )

    def _database(self, top: Mapping) -> Database | None:
        reader = self._reader
        node = reader.mapping(top, "database", _DATABASE_KEYS)
        if node is None:
            return None
        if len(node.entries) != 1:
            reader.mismatches.append(node)
        url = reader.text(node, "url", typed_reader.SOME_TEXT)
        folder = self._own(node, "embedded")
        if url is not None:
            return DatabaseUrl(url, self._document.location(node.entries["url"][1]))
        return None if folder is None else EmbeddedDatabase(Path(folder))

    def _tracking(self, top: Mapping) -> Tracking:
        default = Tracking()
        node = self._reader.mapping(top, "tracking", _TRACKING_KEYS)
        if node is None:
            return default
        stuck_after = self._seconds(node, "stuck_after")
        return Tracking(
            schema=self._kept_whole(node, "schema", self._own(node, "schema", typed_reader.NAME)) or default.schema,
            owner=self._kept_whole(node, "owner", self._own(node, "owner", typed_reader.ROLE)),
            stuck_after_seconds=default.stuck_after_seconds if stuck_after is None else stuck_after,
            record_detail=self._reader.boolean(node, "record_detail") or False,
            allow_existing=self._reader.boolean(node, "allow_existing") or False,
            group_commit=self._reader.boolean(node, "group_commit") is not False,
        )

    def _verify(self, top: Mapping) -> VerifySettings:
        default = VerifySettings()
        node = self._reader.mapping(top, "verify", _VERIFY_KEYS)
        if node is None:
            return default
        order = self._reader.choice(node, "column_order", ColumnOrder)
        schemas = self._patterns(node, "schemas")
        if not schemas and node.get("schemas") is not None:
            self._reader.mismatches.append(node)
        return VerifySettings(
            schemas=schemas or default.schemas,
            ignore=self._patterns(node, "ignore"),
            record=self._reader.boolean(node, "record") is not False,
            any_version=self._reader.boolean(node, "any_version") or False,
            column_order_counts=order is ColumnOrder.ERROR,
        )

    def _patterns(self, parent: Mapping, key: str) -> tuple[str, ...]:
        texts = (self._reader.as_text(node) for node in self._reader.items(parent, key))
        return tuple(text for text in texts if text is not None)

    def _schema_file(self, top: Mapping) -> str | None:
        node = self._reader.mapping(top, "schema", _SCHEMA_KEYS, _SCHEMA_KEYS)
        return None if node is None else self._own(node, "file")

    def _includes(self, top: Mapping) -> tuple[Include, ...]:
        includes: list[Include] = []
        for node in self._reader.items(top, "include"):
            path = self._expanded_node(node)
            if path is not None:
                includes.append(Include(path, self._document.location(node)))
        return tuple(includes)

    def _variables(self, top: Mapping) -> dict[str, Variable]:
        declared: dict[str, Variable] = {}
        node = self._reader.mapping_of_names(top, "variables")
        for key, (_, value) in node.entries.items() if node is not None else ():
            text = self._expanded_node(value)
            if text is not None:
                declared[key] = Variable(text, isinstance(value, Scalar) and variables.occur(value.text))
        return declared

    def _left_out(self, top: Mapping) -> dict[str, tuple[str, ...]]:
        node = self._reader.mapping(top, "import", _IMPORT_KEYS)
        by_tool = None if node is None else self._reader.mapping_of_names(node, "leave_out", typed_reader.TOOL)
        found: dict[str, tuple[str, ...]] = {}
        if by_tool is not None:
            for tool in by_tool.entries:
                texts = (self._recorded_node(one, typed_reader.LINE) for one in self._reader.items(by_tool, tool))
                found[tool] = tuple(text for text in texts if text is not None)
        return found

    def _settings(self, node: Mapping, default: Settings) -> Settings:
        if node.entries.keys().isdisjoint(_SETTINGS_KEYS):
            return default
        lock_timeout = self._seconds(node, "lock_timeout")
        statement_timeout = self._seconds(node, "statement_timeout")
        return Settings(
            default.lock_timeout_seconds if lock_timeout is None else lock_timeout,
            default.statement_timeout_seconds if statement_timeout is None else statement_timeout,
            self._retry(node, default.retry),
            self._kept_whole(node, "run_as", self._recorded(node, "run_as", typed_reader.ROLE)) or default.run_as,
        )

    def _retry(self, parent: Mapping, default: Retry) -> Retry:
        node = self._reader.mapping(parent, "retry", _RETRY_KEYS)
        if node is None:
            return default
        backoff = self._seconds(node, "backoff")
        max_backoff = self._seconds(node, "max_backoff")
        return Retry(
            self._reader.integer(node, "attempts", smallest=1, largest=1000) or default.attempts,
            default.backoff_seconds if backoff is None else backoff,
            default.max_backoff_seconds if max_backoff is None else max_backoff,
        )

    def _declarations(self, top: Mapping, default: Settings) -> tuple[Declaration, ...]:
        declarations: list[Declaration] = []
        for item in self._reader.items(top, "migrations", may_be_null=True):
            mismatches = len(self._reader.mismatches)
            node = self._reader.as_mapping(item, _MIGRATION_KEYS, _REQUIRED_MIGRATION_KEYS)
            if node is not None:
                declarations.append(self._declaration(node, default))
            if len(self._reader.mismatches) > mismatches:
                self._suspects.append(item)
        return tuple(declarations)

    def _declaration(self, node: Mapping, default: Settings) -> Declaration:
        reader = self._reader
        file, given_name = self._expanded(node, "file"), self._recorded(node, "name", typed_reader.NAME)
        declared = Declaration(
            node,
            self._document,
            version=reader.integer(node, "version", smallest=1, largest=LARGEST_VERSION),
            file=file,
            given_name=given_name,
            name=stem(file) if given_name is None and file is not None else given_name,
            language=None if file is None else language(file),
            kind=reader.choice(node, "kind", Kind),
            rollback=self._expanded(node, "rollback"),
            settings=default,
        )
        if not node.entries.keys() <= _PLAIN_KEYS:  # few have others, and each takes time to be asked for
            declared.settings = self._settings(node, default)
            declared.repeat = self._repeat(node)
            declared.transaction = reader.boolean(node, "transaction")
            declared.description = self._recorded(node, "description", typed_reader.ANY_TEXT)
            declared.ignores = lint_keys.ignored(reader, node)
            declared.batch = self._batch(node)
            declared.verify = self._verify_query(node)
            declared.has_variables = reader.boolean(node, "variables") or False
            declared.replaces = reader.versions(node, "replaces")
            declared.is_empty = reader.boolean(node, "empty") or False
            declared.origin = self._origin(node)
        return declared

    def _origin(self, parent: Mapping) -> dict[str, tuple[str, ...]]:
        node = self._reader.mapping_of_names(parent, "origin", typed_reader.TOOL)
        if node is None:
            return {}
        if not node.entries:
            self._reader.mismatches.append(node)
        found: dict[str, tuple[str, ...]] = {}
        for tool, (_, value) in node.entries.items():
            ids = self._reader.items(node, tool) if isinstance(value, Sequence) else [value]
            if not ids:
                self._reader.mismatches.append(value)
            texts = (self._recorded_node(one, typed_reader.LINE) for one in ids)
            if known := tuple(text for text in texts if text is not None):
                found[tool] = known
        return found

    def _repeat(self, parent: Mapping) -> Repeat | None:
        node = parent.get("repeat")
        if node is None:
            return None
        if isinstance(node, Scalar):
            if node.value == RepeatRule.CHECKSUM:
                return Repeat(RepeatRule.CHECKSUM)
            self._reader.mismatches.append(node)
            return None
        mapping = self._reader.as_mapping(node, _REPEAT_KEYS, _REPEAT_KEYS)
        condition = None if mapping is None else self._recorded(mapping, "condition", typed_reader.SOME_TEXT)
        return None if condition is None else Repeat(RepeatRule.CONDITION, condition)

    def _verify_query(self, parent: Mapping) -> VerifyQuery | None:
        node = parent.get("verify")
        if node is None:
            return None
        locate = partial(self._document.source.location, node.start)
        if isinstance(node, Mapping):
            mapping = self._reader.as_mapping(node, _VERIFY_QUERY_KEYS, _VERIFY_QUERY_KEYS)
            file = None if mapping is None else self._expanded(mapping, "file")
            return None if file is None else VerifyQuery(file=Path(file), locate=locate)
        query = self._recorded(parent, "verify", typed_reader.SOME_TEXT)
        return None if query is None else VerifyQuery(query, locate=locate)

    def _batch(self, parent: Mapping) -> Batch | None:
        node = self._reader.mapping(parent, "batch", _BATCH_KEYS)
        if node is None:
            return None
        default = Batch()
        pause, max_lag = self._seconds(node, "pause"), self._seconds(node, "max_lag")
        return Batch(
            size=self._reader.integer(node, "size", smallest=1, largest=10_000_000) or default.size,
            start=self._reader.text_or_integer(node, "start"),
            pause_seconds=default.pause_seconds if pause is None else pause,
            total=self._recorded(node, "total", typed_reader.SOME_TEXT),
            max_lag_seconds=default.max_lag_seconds if max_lag is None else max_lag,
        )

    def _seconds(self, parent: Mapping, key: str) -> float | None:
        seconds = self._reader.seconds(parent, key)
        if seconds is not None and seconds > durations.LONGEST_SECONDS:
            node = parent.entries[key][1]
            message = f"`{key}` is longer than PostgreSQL can wait: at most 24 days"
            self._problems.append(
                Problem("duration-too-long", message, self._document.location(node), hint=f"write `{key}: 24d`, or 0")
            )
        return seconds

    def _own(self, parent: Mapping, key: str, form: re.Pattern[str] = typed_reader.LINE) -> str | None:
        """Return a text that counts only in the manifest that a command is given."""
        return self._reader.text(parent, key, form) if self._is_included else self._expanded(parent, key, form)

    def _expanded(self, parent: Mapping, key: str, form: re.Pattern[str] = typed_reader.LINE) -> str | None:
        """Return the text under `key` with its variables replaced."""
        node = parent.get(key)
        return None if node is None else self._expanded_node(node, form)

    def _kept_whole(self, parent: Mapping, key: str, name: str | None) -> str | None:
        """Return a name that the server is to know, which one longer than `_LONGEST_NAME_BYTES` would be cut to.

        Two names that are cut to one would share tables, and not the run's lock.
        """
        if name is not None and len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME_BYTES:
            node = parent.entries[key][1]
            message = f"`{key}` is a name of {len(name.encode('utf-8', 'surrogatepass'))} bytes"
            facts = (
                f"PostgreSQL cuts a name after {_LONGEST_NAME_BYTES} bytes; a letter beyond ASCII takes two or more",
            )
            hint = f"choose a name of at most {_LONGEST_NAME_BYTES} bytes"
            self._problems.append(
                Problem("name-too-long", message, self._document.location(node), facts=facts, hint=hint)
            )
        return name

    def _expanded_node(self, node: Node, form: re.Pattern[str] = typed_reader.LINE) -> str | None:
        text = self._reader.as_text(node, form)
        if text is None or not variables.occur(text):
            return text
        expanded, faults = variables.expand(text, self._environ)
        if not faults and not form.fullmatch(expanded):
            faults = (variables.unfit(text),)
        assert isinstance(node, Scalar)
        return self._without_faults(node, expanded, faults)

    def _recorded(self, parent: Mapping, key: str, form: re.Pattern[str]) -> str | None:
        """Return the text under `key`, in which variables are not replaced because it is stored in facts."""
        node = parent.get(key)
        return None if node is None else self._recorded_node(node, form)

    def _recorded_node(self, node: Node, form: re.Pattern[str]) -> str | None:
        text = self._reader.as_text(node, form)
        if text is None or not variables.occur(text):
            return text
        assert isinstance(node, Scalar)
        return self._without_faults(node, *variables.unescape(text))

    def _without_faults(self, node: Scalar, text: str, faults: tuple[variables.Fault, ...]) -> str | None:
        source = self._document.source
        for fault in faults:
            # A value with escape sequences or line breaks is not in the source as it is.
            value = source.text.find(node.text, node.start, node.end)
            start = node.start if value < 0 else value + fault.offset
            location = source.location(start, start + len(fault.reference))
            self._problems.append(Problem(fault.code, fault.message, location, hint=fault.hint))
        return None if faults else text
