"""sqitch: a plan of changes with scripts to deploy, revert and verify them, and a registry with a full history."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location
from zmig.other_tools import sqitch_plan
from zmig.other_tools.files import location, name_of
from zmig.other_tools.history import (
    AppliedMigration,
    HistoryTable,
    ToolHistory,
    advisory_lock,
    in_order,
    moment,
)
from zmig.other_tools.problems import nothing_to_import
from zmig.other_tools.sections import holds_sql
from zmig.other_tools.source import Change, Remark, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.history import Place, Row
    from zmig.other_tools.sqitch_plan import Plan, PlannedChange

_CONFIGURATION = "sqitch.conf"
_PLAN = "sqitch.plan"
_SECTION = re.compile(r"\[\s*(?P<name>[\w.-]+)(?:\s+\"(?P<sub>(?:[^\"\\]|\\.)*)\")?\s*\]")
_SETTING = re.compile(r"(?P<key>[A-Za-z][\w.-]*)\s*(?:=\s*(?P<value>.*))?")
_ENGINES = ("", "pg", "yugabyte", "cockroach")
_DIRECTIONS = ("deploy", "revert", "verify")
_EMPTY_CHECK = re.compile(r"\b(?:begin|rollback|commit)\b\s*;", re.IGNORECASE)
_LOCK = 75474063


class _Settings(NamedTuple):
    """What `sqitch.conf` says, by keys as `core.top_dir`."""

    base: str
    values: Mapping[str, str]

    def get(self, key: str, default: str) -> str:
        """Return a setting of the engine, or the common one."""
        return self.values.get(f"engine.pg.{key}") or self.values.get(f"core.{key}") or default

    def path(self, name: str) -> str:
        """Return a path of the configuration relative to the project."""
        joined = posixpath.normpath(posixpath.join(self.base, name))
        return "" if joined == "." else joined

    @property
    def plan(self) -> str:
        return self.path(
            self.values.get("engine.pg.plan_file") or self.values.get("core.plan_file") or self._in_top(_PLAN)
        )

    def _in_top(self, name: str) -> str:
        return posixpath.join(self.get("top_dir", "."), name)

    def folder(self, direction: str, *, is_reworked: bool) -> str:
        """Return the folder of scripts."""
        plain = self.get(f"{direction}_dir", "") or self._in_top(direction)
        if is_reworked:
            reworked = self.get("reworked_dir", "")
            plain = self.get(f"reworked_{direction}_dir", "") or (
                posixpath.join(reworked, direction) if reworked else plain
            )
        return self.path(plain)

    @property
    def extension(self) -> str:
        return self.get("extension", "sql")

    @property
    def registry(self) -> str:
        return self.get("registry", "sqitch")

    @property
    def is_postgresql(self) -> bool:
        return self.values.get("core.engine", "") in _ENGINES

    @property
    def variables(self) -> dict[str, str]:
        """The values that psql gets; those of commands take precedence over common ones."""
        found: dict[str, str] = {}
        for prefix in ("core.variables.", "engine.pg.variables.", "deploy.variables."):
            found |= {key[len(prefix) :]: value for key, value in self.values.items() if key.startswith(prefix)}
        return found


def _find(files: ProjectFiles) -> str | None:
    """Return the folder of `sqitch.conf` with a plan for PostgreSQL, or of a plan alone."""
    for settings in _all_settings(files):
        if settings.is_postgresql and settings.plan in files.paths:
            return settings.base or "."
    plans = [path for path in files.paths if name_of(path) == _PLAN and "%project=" in files.text(path)]
    configured = [one.base for one in _all_settings(files)]
    alone = [path.rpartition("/")[0] for path in plans if not any(f"{path}".startswith(base) for base in configured)]
    return (alone[0] or ".") if alone else None


def _all_settings(files: ProjectFiles) -> Iterator[_Settings]:
    for path in files.paths:
        if name_of(path) == _CONFIGURATION:
            yield _Settings(path.rpartition("/")[0], dict(_configuration(files.text(path))))


def _configuration(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a file that is written as git's configuration is."""
    section = ""
    for line in text.splitlines():
        plain = re.sub(r"(^|\s)[#;].*", "", line).strip() if '"' not in line else line.strip()
        header = _SECTION.match(plain)
        if header is not None:
            section = header["name"].lower() + (f".{header['sub']}" if header["sub"] is not None else "")
            plain = plain[header.end() :].strip()
        setting = _SETTING.fullmatch(plain)
        if setting is not None and not plain.startswith(("#", ";")):
            value = "true" if setting["value"] is None else setting["value"].strip()
            yield f"{section}.{setting['key']}", _unquoted(value)


def _unquoted(value: str) -> str:
    found = re.match(r"\"((?:[^\"\\]|\\.)*)\"", value)
    return value if found is None else re.sub(r"\\(.)", r"\1", found[1])


def _read(files: ProjectFiles, folder: str) -> Source:
    base = "" if folder == "." else folder
    settings = next((one for one in _all_settings(files) if one.base == base), _Settings(base, {}))
    if settings.plan not in files.paths:
        raise nothing_to_import(folder, "sqitch", _PLAN)
    plan = sqitch_plan.parse(settings.plan, files.text(settings.plan))
    names = _names(files, settings, plan)
    migrations = tuple(
        _migration(files, settings, change, name) for change, name in zip(plan.changes, names, strict=True)
    )
    if not migrations:
        raise nothing_to_import(folder, "sqitch", f"{settings.folder('deploy', is_reworked=False)}/users.sql")
    variables: dict[str, str | None] = dict(settings.variables)
    scripts = [script.text for one in migrations for script in (one.up, one.down) if script is not None]
    if any(re.search(r":[\"']?registry\b", text) for text in scripts):
        variables.setdefault("registry", settings.registry)
    return Source(
        "sqitch",
        folder,
        migrations,
        variables=variables,
        project=plan.project,
        history_table=f"{settings.registry}.changes",
        remarks=(*plan.remarks, *_left_out(files, settings, plan)),
    )


def _names(files: ProjectFiles, settings: _Settings, plan: Plan) -> Iterator[str]:
    """Yield a name for each change, which it keeps when a later one reworks it."""
    earlier: dict[str, str] = {}
    for change in plan.changes:
        yield f"{change.name}{earlier.get(change.name, '')}"
        if change.rework_tags:
            deploy = name_of(_script_path(files, settings, change, "deploy"))
            tag = deploy.removesuffix(f".{settings.extension}").rpartition("@")[2]
            earlier[change.name] = f"@since-{tag}"


def _migration(files: ProjectFiles, settings: _Settings, change: PlannedChange, name: str) -> SourceMigration:
    deploy, revert, verify = (_script_path(files, settings, change, direction) for direction in _DIRECTIONS)
    remarks = [
        Remark(Change.DROPPED, f"`{one}`: zmig looks at no other project, and knows no conflicts", change.location)
        for one in change.depends_elsewhere
    ]
    up = _script(files, deploy)
    if up is None:
        remarks.append(Remark(Change.REFUSED, f"its script `{deploy}` is not there", change.location))
    if verify in files.paths and holds_sql(_EMPTY_CHECK.sub("", files.text(verify))):
        text = "a check after deploying: zmig has `verify`, a query that returns true, in its place"
        remarks.append(Remark(Change.LEFT_OUT, text, location(verify, files.text(verify), 0)))
    return SourceMigration(
        change.id,
        name,
        up,
        down=_script(files, revert),
        uses_psql=True,
        description=" ".join(change.note.split()) if change.note else None,
        checksums=() if up is None else (hashlib.sha1(files.read(deploy), usedforsecurity=False).hexdigest(),),
        remarks=tuple(remarks),
    )


def _script(files: ProjectFiles, path: str) -> Script | None:
    return Script(files.text(path), path, is_whole_file=True) if path in files.paths else None


def _script_path(files: ProjectFiles, settings: _Settings, change: PlannedChange, direction: str) -> str:
    """Return where a script is: with a tag in its name, where a later change has taken the plain name."""
    names = [f"{change.name}.{settings.extension}"]
    if change.rework_tags:
        names = [f"{change.name}@{tag}.{settings.extension}" for tag in change.rework_tags]
        deploy = settings.folder("deploy", is_reworked=True)
        names = [name for name in names if f"{deploy}/{name}" in files.paths] or names
    return f"{settings.folder(direction, is_reworked=bool(change.rework_tags))}/{names[0]}"


def _left_out(files: ProjectFiles, settings: _Settings, plan: Plan) -> Iterator[Remark]:
    """Yield a remark on each deploy script that the plan does not name."""
    planned = {_script_path(files, settings, change, "deploy") for change in plan.changes}
    prefix = f"{settings.folder('deploy', is_reworked=False)}/"
    for path in files.paths:
        if path.startswith(prefix) and path.endswith(f".{settings.extension}") and path not in planned:
            yield Remark(Change.LEFT_OUT, "a script that the plan does not name", Location(path))


def _queries(place: Place) -> Sequence[str]:
    changes = (
        "select change_id, script_hash, project, change, committed_at, committer_name, committer_email "
        f"from {place.quoted} order by committed_at, change_id"
    )
    events = place.beside("events")
    if events is None:
        return (changes,)
    latest = f"select distinct on (change_id) change_id, project, change, event, committed_at from {events}"
    return (changes, f"{latest} order by change_id, committed_at desc")


def _read_history(results: Sequence[Sequence[Row]], source: Source) -> ToolHistory:
    ids = {one.id for one in source.migrations}
    by_name: dict[str, list[str]] = {}
    for one in source.migrations:
        by_name.setdefault(one.name.partition("@")[0], []).append(one.id)
    rows: Counter[str] = Counter()
    recorded = {str(row[0]) for row in results[0]}
    # Where the plan is not there, the project is the one of which changes are known.
    projects = None
    if ids and source.project is None:
        projects = {row[2] for row in results[0] if str(row[0]) in ids}
        projects = projects or {row[2] for row in results[0] if str(row[3]) in by_name}
    applied: list[AppliedMigration] = []
    renamed: list[str] = []
    others: Counter[str] = Counter()
    for change_id, script_hash, project, change, at, name, email in results[0]:
        identity = str(change_id)
        if (projects is not None and project not in projects) or project != (source.project or project):
            others[str(project)] += 1
            continue
        # Of changes with one name, which were reworked, the first row is of the first one.
        instances = by_name.get(str(change), [])[rows[str(change)] :]
        rows[str(change)] += 1
        if identity not in ids and instances and instances[0] not in recorded:
            renamed.append(str(change))
            identity = instances[0]
        checksum = None if script_hash in (None, change_id) else str(script_hash)
        when = moment(at)
        applied.append(
            AppliedMigration(identity, at=when, by=f"{name} <{email}>", checksum=checksum, called=str(change))
        )
    notes = [f"`{name}` has another id in the plan than in the registry: the plan was edited" for name in renamed]
    notes += [f"the registry also has project `{name}`, of {count} changes" for name, count in sorted(others.items())]
    return ToolHistory(in_order(applied, source), notes=(*notes, *_failures(results, source, recorded)))


def _failures(results: Sequence[Sequence[Row]], source: Source, recorded: set[str]) -> Iterator[str]:
    """Yield what is to be known of changes whose last deployment failed; sqitch would try them again."""
    for change_id, project, change, event, at in results[1] if len(results) > 1 else ():
        if event == "fail" and str(change_id) not in recorded and project == (source.project or project):
            when = f" at {at:%Y-%m-%d %H:%M}" if isinstance(at, datetime) else ""
            yield f"`{change}` failed{when}, and what of it is in the database is not known: it counts as not applied"


TOOL = Tool(
    "sqitch",
    "sqitch",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "sqitch.changes",
        queries=_queries,
        read=_read_history,
        lock=advisory_lock(_LOCK),
    ),
)
