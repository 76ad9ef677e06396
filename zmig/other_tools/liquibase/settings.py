"""What a project says of Liquibase outside of its changelogs: `liquibase.properties`, and Spring's configuration."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import yaml

from zmig.other_tools.files import name_of
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.other_tools.files import ProjectFiles

_PROPERTY = re.compile(r"[ \t\f]*+(?P<key>(?:\\.|[^\s:=\\#!])(?:\\.|[^\s:=\\])*+)[ \t\f]*+[:=]?+[ \t\f]*+(?P<value>.*)")
_PREFIXES = ("spring.liquibase.", "liquibase.command.", "liquibase.")
_PARAMETERS = ("parameters.", "parameter.")
_SPRING = "application"
_MOST = 100_000
"""How many keys of a configuration are looked at."""


@valueclass
class Settings:
    """What is said in configuration files."""

    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """By keys without their prefix, lower case, without hyphens."""
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    """Values for `${name}` that take precedence over the changelogs' own."""

    @property
    def changelog(self) -> str | None:
        """The root changelog, as it is named there."""
        return self.values.get("changelogfile") or self.values.get("changelog")

    @property
    def table(self) -> str | None:
        """The history table, where it is another one than the default."""
        schema = self.values.get("liquibaseschemaname") or self.values.get("liquibaseschema")
        table = self.values.get("databasechangelogtablename") or self.values.get("databasechangelogtable")
        if schema is None and table is None:
            return None
        return f"{schema or 'public'}.{(table or 'databasechangelog').lower()}"


def read(files: ProjectFiles) -> Settings:
    """Return the settings of a project; what only a command line or the environment says is not known."""
    values: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for path in files.paths:
        for key, value in _pairs(files, path):
            prefix = next((one for one in _PREFIXES if key.startswith(one)), "")
            parameter = next((one for one in _PARAMETERS if key[len(prefix) :].startswith(one)), None)
            if parameter is not None:
                parameters.setdefault(key[len(prefix) + len(parameter) :], value)
            else:
                values.setdefault(re.sub(r"[-_]", "", key[len(prefix) :]).lower(), value)
    return Settings(values, parameters)


def properties(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a file of properties, as Java reads them, without escapes of letters."""
    for line in re.sub(r"\\\r?\n[ \t]*", "", text).splitlines():
        found = _PROPERTY.fullmatch(line)
        if found is not None:
            yield re.sub(r"\\(.)", r"\1", found["key"]), re.sub(r"\\(.)", r"\1", found["value"]).strip()


def _pairs(files: ProjectFiles, path: str) -> Iterator[tuple[str, str]]:
    name = name_of(path)
    if name in ("liquibase.properties", "liquibase.docker.properties"):
        yield from properties(files.text(path))
    elif name == f"{_SPRING}.properties":
        yield from ((key, value) for key, value in properties(files.text(path)) if key.startswith(_PREFIXES[0]))
    elif name in (f"{_SPRING}.yml", f"{_SPRING}.yaml"):
        yield from _spring(files.text(path))


def _spring(text: str) -> Iterator[tuple[str, str]]:
    try:
        root = yaml.compose(text.split("\n---")[0], yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return
    seen = count()
    yield from ((key, value) for key, value in _flat(root, "", 0, seen) if key.startswith(_PREFIXES[0]))


def _flat(node: Any, prefix: str, depth: int, seen: Iterator[int]) -> Iterator[tuple[str, str]]:
    """Yield the plain values with their paths, as long as aliases have not made too many of them."""
    if not isinstance(node, yaml.MappingNode) or depth > 10:
        return
    for key, value in cast("list[tuple[Any, Any]]", node.value):
        if isinstance(key, yaml.ScalarNode) and next(seen) < _MOST:
            name = f"{prefix}{key.value}"
            if isinstance(value, yaml.ScalarNode):
                yield name, str(value.value)
            else:
                yield from _flat(value, f"{name}.", depth + 1, seen)
