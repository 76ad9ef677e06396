"""What a manifest says to `zmig lint`: how much each rule matters, and which findings somebody decided to live with."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.manifest import rule_names, typed_reader
from zmig.manifest.yaml_parser import Mapping
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping as Map

    from zmig.manifest.typed_reader import Reader

_LINT_KEYS = frozenset({"postgres_version", "severity", "start", "start_after"})
_ENTRY_KEYS = frozenset({"ignore"})
_IGNORE_KEYS = frozenset({"rule", "reason"})

OLDEST_POSTGRES, NEWEST_POSTGRES = 10, 99
_LARGEST_VERSION = 2**63 - 1


class Level(StrEnum):
    """How much a rule's findings matter."""

    OFF = "off"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@valueclass
class Choice:
    """The level that is chosen for a rule, and where its name is in the manifest, by 0-based offsets."""

    level: Level
    start: int
    end: int


@valueclass
class Start:
    """The file that says what is there before the first migration, and where its name is, by 0-based offsets."""

    file: str
    start: int
    end: int


@valueclass
class LintSettings:
    """The `lint` of a manifest."""

    postgres_version: int | None = None
    severity: Map[str, Choice] = field(default_factory=dict[str, Choice])
    """By what names rules: the name of one, one with `*`, or `group/...`; it need not exist."""
    start: Start | None = None
    start_after: int | None = None
    """Entries up to this version are not reported."""

    def choice(self, rule: str, group: str) -> Choice | None:
        """Return what is chosen for a rule, by the most exact of the names that mean it; None for nothing."""
        names = [name for name in self.severity if rule_names.means(name, rule, group)]
        return self.severity[max(names, key=rule_names.exactness)] if names else None


@valueclass
class Ignored:
    """A finding that an entry is known to give; offsets are 0-based, in the manifest."""

    rule: str
    reason: str
    start: int
    end: int


def settings(reader: Reader, top: Mapping) -> LintSettings:
    """Read the `lint` of a manifest."""
    node = reader.mapping(top, "lint", _LINT_KEYS)
    if node is None:
        return LintSettings()
    version = reader.integer(node, "postgres_version", smallest=OLDEST_POSTGRES, largest=NEWEST_POSTGRES)
    start_after = reader.integer(node, "start_after", smallest=1, largest=_LARGEST_VERSION)
    return LintSettings(version, _severity(reader, node), _start(reader, node), start_after)


def _start(reader: Reader, parent: Mapping) -> Start | None:
    file = reader.text(parent, "start")
    if file is None:
        return None
    place = parent.entries["start"][1]
    return Start(file, place.start, place.end)


def _severity(reader: Reader, parent: Mapping) -> dict[str, Choice]:
    severity: dict[str, Choice] = {}
    node = parent.get("severity")
    # Any name may be a rule, as far as the schema knows; `zmig lint` itself reports those that are none.
    names = frozenset(node.entries) if isinstance(node, Mapping) else frozenset[str]()
    if node is None or (mapping := reader.as_mapping(node, names)) is None:
        return severity
    for name, (key, _) in mapping.entries.items():
        level = reader.choice(mapping, name, Level)
        if level is not None:
            severity[name] = Choice(level, key.start, key.end)
    return severity


def ignored(reader: Reader, entry: Mapping) -> tuple[Ignored, ...]:
    """Read the `lint` of an entry."""
    node = reader.mapping(entry, "lint", _ENTRY_KEYS)
    if node is None:
        return ()
    ignored: list[Ignored] = []
    for item in reader.items(node, "ignore"):
        mapping = reader.as_mapping(item, _IGNORE_KEYS, _IGNORE_KEYS)
        if mapping is None:
            continue
        rule = reader.text(mapping, "rule")
        reason = reader.text(mapping, "reason", typed_reader.SOME_TEXT)
        if rule is not None and reason is not None:
            place = mapping.entries["rule"][1]
            ignored.append(Ignored(rule, reason, place.start, place.end))
    return tuple(ignored)
