"""Plans of sqitch: their changes and tags line by line, and the ids that sqitch computes of them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from zmig.errors import Location
from zmig.other_tools.source import Change, Remark
from zmig.valueclass import field, valueclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from dataclasses import KW_ONLY

_NAME = r"[^\s:@#\\\[\]]+"
_PRAGMA = re.compile(r"[ \t]*+%[ \t]*+(?P<name>[^\s=]++)(?:[ \t]*+=[ \t]*+(?P<value>.+))?+")
_LINE = re.compile(
    rf"""[ \t]*+(?:(?P<tag>@)|(?P<operator>[+-])[ \t]*+)?(?P<name>{_NAME})[ \t]*+
    (?:\[(?P<dependencies>[^\]]++)\][ \t]*+)?+
    (?P<time>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ)(?>[ \t]*+(?!<)|[ \t]*(?=[ \t]{{2}}<))
    (?P<planner>[^<]++(?<=[ \t])<[^>]++>)""",
    re.VERBOSE | re.ASCII,
)
_DEPENDENCY = re.compile(
    rf"(?P<conflicts>!?)(?:(?P<project>{_NAME}):)?(?P<key>[0-9a-f]{{40}}|(?:{_NAME})?(?:@{_NAME})?)"
)
_UNESCAPED = {r"\n": "\n", r"\r": "\r", "\\\\": "\\"}
_DEFAULT_PORTS = {"http": 80, "https": 443}


@valueclass
class PlannedChange:
    """One line of a plan that is a change."""

    name: str
    id: str
    location: Location
    _: KW_ONLY
    note: str | None = None
    depends_elsewhere: tuple[str, ...] = ()
    """What it needs of other projects, and what it conflicts with, as the plan has it."""
    tags: list[str] = field(default_factory=list[str])
    """Those after it, before the next change."""
    rework_tags: list[str] = field(default_factory=list[str])
    """Those by which its files may be called, the likeliest first, where a later change has its name."""


@valueclass
class Plan:
    """A plan."""

    project: str
    changes: list[PlannedChange]
    remarks: list[Remark]


def parse(path: str, text: str) -> Plan:
    """Return the changes of a plan; what sqitch refuses is remarked on by place."""
    return _Parsing(path, text).plan()


def change_id(
    project: str, uri: str | None, name: str, parent: str | None, planner: str, time: str, *, more: Iterable[str]
) -> str:
    """Return the id of a change, as sqitch computes it; `more` are lines on dependencies, and the note."""
    lines = [f"project {project}", *([f"uri {canonical(uri)}"] if uri else []), f"change {name}"]
    lines += [*([f"parent {parent}"] if parent else []), f"planner {planner}", f"date {time}", *more]
    content = "\n".join(lines).encode()
    return hashlib.sha1(b"change %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def canonical(uri: str) -> str:
    """Return a URI as Perl's module of that name has it in its canonical form."""
    parts = urlsplit(uri)
    scheme, host = parts.scheme.lower(), parts.netloc
    port = _DEFAULT_PORTS.get(scheme)
    if host:
        user, at, name = host.rpartition("@")
        host = user + at + name.lower().removesuffix(f":{port}").removesuffix(":")
    path = "/" if port and host and not parts.path and not parts.query else parts.path
    return urlunsplit((scheme, host, path, parts.query, parts.fragment))


class _Parsing:
    """One pass over the lines of a plan."""

    def __init__(self, path: str, text: str) -> None:
        self._path = path
        self._lines = re.split(r"\r?\n", text)
        self._pragmas: dict[str, str] = {}
        self._changes: list[PlannedChange] = []
        self._remarks: list[Remark] = []
        self._last: dict[str, int] = {}

    def plan(self) -> Plan:
        is_header = True
        for number, line in enumerate(self._lines, 1):
            if not line.strip() or line.lstrip().startswith("#"):
                is_header = is_header and bool(line.strip())
            elif is_header and (pragma := _PRAGMA.fullmatch(_without_note(line)[0])):
                self._pragmas[pragma["name"]] = pragma["value"] or ""
            else:
                is_header = False
                self._take(number, line)
        if "project" not in self._pragmas:
            self._refuse(1, "no `%project`, which sqitch requires")
        return Plan(self._project, self._changes, self._remarks)

    @property
    def _project(self) -> str:
        return self._pragmas.get("project", "")

    def _place(self, number: int) -> Location:
        return Location(self._path, number, text=self._lines[number - 1])

    def _refuse(self, number: int, text: str) -> None:
        self._remarks.append(Remark(Change.REFUSED, text, self._place(number)))

    def _take(self, number: int, line: str) -> None:
        before, note = _without_note(line)
        found = _LINE.fullmatch(before)
        if found is None:
            self._refuse(number, "no change and no tag, as sqitch reads plans")
        elif found["tag"]:
            self._tag(number, found["name"])
        elif found["operator"] == "-":
            self._refuse(number, "a change that reverts, which zmig has nothing for")
        else:
            self._change(number, found, note)

    def _tag(self, number: int, name: str) -> None:
        if not self._changes:
            self._refuse(number, "a tag before all changes, which sqitch refuses")
            return
        self._changes[-1].tags.append(name)
        text = f"the tag `@{name}`: zmig has versions in its place"
        self._remarks.append(Remark(Change.DROPPED, text, self._place(number)))

    def _change(self, number: int, found: re.Match[str], note: str | None) -> None:
        name = found["name"]
        dependencies = list(_dependencies(found["dependencies"] or ""))
        required = [self._key(one) for one in dependencies if not one["conflicts"]]
        conflicts = [self._key(one) for one in dependencies if one["conflicts"]]
        more = [
            line
            for what, keys in (("requires\n  + ", required), ("conflicts\n  - ", conflicts))
            for line in _listed(what, keys)
        ]
        more += ["", note] if note else []
        parent = self._changes[-1].id if self._changes else None
        planner = re.sub(r"(?<![ \t])[ \t]++<", " <", found["planner"])
        identity = change_id(self._project, self._pragmas.get("uri"), name, parent, planner, found["time"], more=more)
        elsewhere = tuple(one[0] for one in dependencies if one["conflicts"] or ":" in self._key(one))
        earlier = self._last.get(name)
        if earlier is not None:
            between = self._changes[earlier + 1 :]
            tags = [tag for change in reversed(between) for tag in change.tags]
            self._changes[earlier].rework_tags.extend([*tags, *self._changes[earlier].tags])
            if not self._changes[earlier].rework_tags:
                self._refuse(number, "the name of an earlier change, with no tag between them, which sqitch refuses")
        self._last[name] = len(self._changes)
        self._changes.append(PlannedChange(name, identity, self._place(number), note=note, depends_elsewhere=elsewhere))

    def _key(self, dependency: re.Match[str]) -> str:
        """Return a dependency as sqitch writes it: with its project, where that is another one."""
        project = dependency["project"]
        return dependency["key"] if project in (None, self._project) else f"{project}:{dependency['key']}"


def _listed(what: str, keys: list[str]) -> Iterator[str]:
    if keys:
        mark = what[-2:]
        yield what + f"\n  {mark}".join(keys)


def _dependencies(text: str) -> Iterator[re.Match[str]]:
    for word in text.split():
        found = _DEPENDENCY.fullmatch(word)
        if found is not None:
            yield found


def _without_note(line: str) -> tuple[str, str | None]:
    """Return a line without its note, and the note with its escapes resolved."""
    before, mark, rest = line.partition("#")
    note = re.sub(r"\\[\\nr]", lambda one: _UNESCAPED[one[0]], rest.strip()) if mark else None
    return before.rstrip(" \t"), note or None
