"""What a project says to Flyway: in `flyway.toml`, in `flyway.conf`, or in the configuration of Spring Boot."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, cast

from zmig.manifest import yaml_parser
from zmig.manifest.yaml_parser import Mapping as YamlMapping
from zmig.manifest.yaml_parser import Scalar
from zmig.manifest.yaml_parser import Sequence as YamlSequence
from zmig.other_tools.files import is_for_tests, name_of
from zmig.other_tools.flyway.names import Kind, Naming
from zmig.text.places import Source as Places
from zmig.valueclass import field, replace, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import KW_ONLY

    from zmig.errors import Location
    from zmig.other_tools.files import ProjectFiles

_TOML = ("flyway.toml", "flyway.user.toml")
_CONF = ("flyway.conf", "flyway.user.conf")
_SPRING = re.compile(r"application(?:-default)?\.(?:ya?ml|properties)")
_PREFIXES = {
    Kind.VERSIONED: "sqlmigrationprefix",
    Kind.UNDO: "undosqlmigrationprefix",
    Kind.BASELINE: "baselinemigrationprefix",
    Kind.REPEATABLE: "repeatablesqlmigrationprefix",
}
_PLACEHOLDERS = "placeholders."
_SPRING_PREFIX = "spring.flyway."
_PROFILES = ("spring.config.activate", "spring.profiles")
_DOCUMENTS = re.compile(r"^---[^\n]*\n", re.MULTILINE)
_SPRING_VALUE = re.compile(r"\$\{[^{}:]*:(?P<default>[^{}]*)\}")


@valueclass
class Setting:
    """What one key says, and where."""

    values: tuple[str, ...]
    """Of a list, its items; of anything else, one text."""
    location: Location

    @property
    def text(self) -> str:
        """The value as one text."""
        return ",".join(self.values)


@valueclass
class Configuration:
    """All that a project says to Flyway."""

    settings: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    """By their keys in lower case without hyphens, such as `defaultschema`; what is not set is not in it."""
    _: KW_ONLY
    placeholders: Mapping[str, Setting] = field(default_factory=dict[str, Setting])
    """By their names in the case in which they are written."""
    paths: tuple[str, ...] = ()
    """The files that say so; without any, nothing does."""
    is_spring: bool = False

    def text(self, key: str, default: str = "") -> str:
        """Return what a key says."""
        setting = self.settings.get(key)
        return setting.text if setting is not None else default

    def items(self, key: str) -> tuple[str, ...]:
        """Return the items of a list, which may be written with commas."""
        setting = self.settings.get(key)
        if setting is None:
            return ()
        return tuple(item for value in setting.values for one in value.split(",") if (item := one.strip()))

    def is_on(self, key: str, *, default: bool) -> bool:
        """Return whether something is switched on."""
        text = self.text(key).strip().lower()
        return text == "true" if text in ("true", "false") else default

    @property
    def naming(self) -> Naming:
        """How the files are called."""
        prefixes = {kind: self.text(key, str(kind)) for kind, key in _PREFIXES.items()}
        return Naming(
            prefixes, self.text("sqlmigrationseparator", "__"), self.items("sqlmigrationsuffixes") or (".sql",)
        )

    @property
    def schema(self) -> str | None:
        """The schema in which the history table is, and unqualified names are; None where nothing is said."""
        return self.text("defaultschema") or next(iter(self.items("schemas")), None)

    @property
    def table(self) -> str | None:
        """The history table, None where nothing is said of it."""
        name = self.text("table")
        if not name and self.schema is None:
            return None
        return f"{self.schema}.{name or 'flyway_schema_history'}" if self.schema is not None else name

    @property
    def encoding(self) -> str:
        """The encoding of the files."""
        return self.text("encoding", "UTF-8").strip() or "UTF-8"


def read(files: ProjectFiles) -> Configuration:
    """Return what a project says to Flyway; files for its tests do not count."""
    paths = [path for path in files.paths if not is_for_tests(path)]
    for names in (_TOML, _CONF):
        found = sorted((path for path in paths if name_of(path) in names), key=_nearest)
        if found:
            folder = found[0].rpartition("/")[0]
            return _joined(files, [path for path in found if path.rpartition("/")[0] == folder])
    spring = [path for path in paths if _SPRING.fullmatch(name_of(path)) and "flyway" in files.text(path)]
    found = sorted(spring, key=_nearest)
    return _joined(files, found[:1], is_spring=True) if found else Configuration()


def _nearest(path: str) -> tuple[int, str]:
    """Return what puts the file of the project itself before those of its parts."""
    return path.count("/"), path


def _joined(files: ProjectFiles, paths: list[str], *, is_spring: bool = False) -> Configuration:
    """Return what some files say together; the settings of a user, in the later one, take precedence."""
    settings: dict[str, Setting] = {}
    placeholders: dict[str, Setting] = {}
    for path in paths:
        for key, setting in _entries(path, files.text(path)):
            if key.lower().startswith(_PLACEHOLDERS):
                placeholders[key[len(_PLACEHOLDERS) :]] = setting
            else:
                settings[re.sub("[-_]", "", key).lower()] = setting
    return Configuration(settings, placeholders=placeholders, paths=tuple(paths), is_spring=is_spring)


def _entries(path: str, text: str) -> Iterator[tuple[str, Setting]]:
    """Yield the settings of one file by their keys without `flyway.`."""
    if path.endswith(".toml"):
        yield from _of_toml(path, text)
    elif path.endswith((".yml", ".yaml")):
        yield from _of_yaml(path, text)
    else:
        prefix = "flyway." if path.endswith(".conf") else _SPRING_PREFIX
        for key, value, start in properties(text):
            if key.lower().startswith(prefix):
                where = Places(path, text).location(start, start + len(key))
                yield key[len(prefix) :], Setting(_without_defaults(key[len(prefix) :], (value,)), where)


def _of_toml(path: str, text: str) -> Iterator[tuple[str, Setting]]:
    try:
        root = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    flyway = _table(root, "flyway")
    environment = str(flyway.get("environment", "default"))
    chosen = _table(_table(root, "environments"), environment)
    merged = {**chosen, **flyway, **_table(chosen, "flyway")}
    places: dict[str, int] = {}
    offset = 0
    for line in text.splitlines(keepends=True):
        name = line.partition("=")[0].strip().strip("\"'").rpartition(".")[2]
        places.setdefault(name, offset)
        offset += len(line)
    for key, value in _flat(merged):
        yield key, Setting(value, Places(path, text).location(places.get(key.rpartition(".")[2], 0)))


def _table(value: Mapping[str, object], key: str) -> dict[str, object]:
    inner = value.get(key)
    return cast("dict[str, object]", inner) if isinstance(inner, dict) else {}


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, object]", value), f"{prefix}{key}.")
        elif isinstance(value, list):
            yield f"{prefix}{key}", tuple(map(str, cast("list[object]", value)))
        else:
            yield f"{prefix}{key}", (str(value).lower() if isinstance(value, bool) else str(value),)


def _of_yaml(path: str, text: str) -> Iterator[tuple[str, Setting]]:
    """Yield what the documents without a profile say; what is no plain YAML says nothing."""
    start = 0
    for end in [*(mark.start() for mark in _DOCUMENTS.finditer(text)), len(text)]:
        # Blank lines in place of what is before it, so that the places are those in the file.
        part = "\n" * text.count("\n", 0, start) + _DOCUMENTS.sub("\n", text[start:end])
        document = yaml_parser.parse(part, label=path)
        start = end
        if not isinstance(document.root, YamlMapping):
            continue
        found = list(_flat_yaml(document, document.root))
        if any(key.startswith(_PROFILES) for key, _ in found):
            continue
        for key, setting in found:
            if key.startswith(_SPRING_PREFIX):
                name = key[len(_SPRING_PREFIX) :]
                yield name, replace(setting, values=_without_defaults(name, setting.values))


def _flat_yaml(document: yaml_parser.Document, node: YamlMapping, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    for name, (key, value) in node.entries.items():
        if isinstance(value, YamlMapping):
            yield from _flat_yaml(document, value, f"{prefix}{name}.")
        elif isinstance(value, YamlSequence):
            items = tuple(item.text for item in value.items if isinstance(item, Scalar))
            yield f"{prefix}{name}", Setting(items, document.location(key))
        else:
            yield f"{prefix}{name}", Setting((value.text,), document.location(key))


def _without_defaults(key: str, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values with defaults in place of variables of the environment; a placeholder's is left to that."""
    if key.lower().startswith(_PLACEHOLDERS):
        return values
    return tuple(_SPRING_VALUE.sub(lambda one: one["default"], value) for value in values)


def properties(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the keys and values of a file of properties, and where each key begins; 0-based."""
    offset = 0
    key, value, start = "", "", 0
    is_continued = False
    for line in text.splitlines(keepends=True):
        content = line.strip()
        begins = offset + len(line) - len(line.lstrip())
        offset += len(line)
        if not is_continued:
            if not content or content[0] in "#!":
                continue
            parts = re.match(r"(?P<key>[^=:\s]+)\s*[=:]?\s*(?P<value>.*)", content)
            if parts is None:
                continue
            key, value, start = parts["key"], parts["value"], begins
        else:
            value += content
        is_continued = value.endswith("\\")
        value = value.removesuffix("\\")
        if not is_continued:
            yield key, value, start
    if is_continued:
        yield key, value, start
