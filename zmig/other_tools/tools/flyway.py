"""Flyway: versioned, undo, baseline and repeatable SQL files in one or more locations, by the rules of their names."""

from __future__ import annotations

import codecs
import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Location
from zmig.other_tools import files as project_files
from zmig.other_tools.files import is_for_tests, name_of
from zmig.other_tools.flyway import configuration as flyway_configuration
from zmig.other_tools.flyway import history, locations
from zmig.other_tools.flyway import placeholders as flyway_placeholders
from zmig.other_tools.flyway.names import CALLBACK, CODE_SUFFIXES, SCRIPT_SUFFIXES, Kind, repeatable_id
from zmig.other_tools.flyway.placeholders import Placeholders
from zmig.other_tools.history import HistoryTable
from zmig.other_tools.problems import nothing_to_import, unusable
from zmig.other_tools.source import Change, Remark, Repeats, Script, Source, SourceMigration
from zmig.other_tools.tool import Language, Tool
from zmig.sql import variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from zmig.other_tools.files import ProjectFiles
    from zmig.other_tools.flyway.configuration import Configuration
    from zmig.other_tools.flyway.names import Named, Version
    from zmig.other_tools.history import AppliedMigration, Matches

_CONF = ".conf"
_KNOWN_CONF = ("executeInTransaction", "encoding", "placeholderReplacement", "shouldExecute")
_MIGRATES = re.compile(r"(?:before|after)(?:Each)?(?:Migrate|Repeatables|Versioned)")
_HALF, _WORD = 1 << 31, 1 << 32


class _File(NamedTuple):
    """A file that Flyway takes for a migration."""

    path: str
    stem: str
    named: Named
    is_sql: bool

    @property
    def version(self) -> Version:
        """The version of one that has one."""
        assert self.named.version is not None
        return self.named.version


class _Conf(NamedTuple):
    """What the file beside a script says of it alone."""

    transactional: bool | None
    encoding: str | None
    replaces_placeholders: bool | None
    remarks: tuple[Remark, ...]


def _find(files: ProjectFiles) -> str | None:
    """Return a location that a configuration of Flyway's names, or a folder whose names nothing else has."""
    configuration = flyway_configuration.read(files)
    if configuration.paths:
        found = locations.of(files, configuration)
        return next((one for one in found if any(_is_migration(path, configuration) for path in _in(files, one))), None)
    return locations.unmistakable(files)


def _in(files: ProjectFiles, folder: str) -> list[str]:
    return project_files.below(files, folder)


def _is_migration(path: str, configuration: Configuration) -> bool:
    name = name_of(path)
    suffix = configuration.naming.suffix_of(name)
    return suffix is not None and configuration.naming.read(name[: -len(suffix)]) is not None


def _read(files: ProjectFiles, folder: str) -> Source:
    configuration = flyway_configuration.read(files)
    found = locations.of(files, configuration)
    if not found or folder not in (*found, "."):
        return _Reading(files, configuration, [folder]).source(folder)
    module = _module(found[0] if folder == "." else folder)
    folders = [one for one in found if _module(one) == module]
    return _Reading(files, configuration, folders).source(folder)


def _module(folder: str) -> str:
    """Return the folder of the module of a build whose resources these are; each has migrations of its own."""
    return folder.partition("src/")[0] if "src/" in folder else ""


class _Reading:
    """One reading of a project."""

    def __init__(self, files: ProjectFiles, configuration: Configuration, folders: list[str]) -> None:
        self._files = files
        self._known = frozenset(files.paths)
        self._configuration = configuration
        self._placeholders = Placeholders(configuration)
        self._remarks: list[Remark] = []
        self._taken = self._collected(folders)

    def source(self, folder: str) -> Source:
        """Return the project. Raises UsageError where there is no migration."""
        undo = {one.version.numbers: one for one in self._of(Kind.UNDO)}
        versioned = [*self._of(Kind.VERSIONED), *self._baselines()]
        versioned.sort(key=lambda one: (one.version.numbers, one.path))
        repeatable = sorted(self._of(Kind.REPEATABLE), key=lambda one: (one.named.description, one.path))
        if not versioned and not repeatable:
            raise nothing_to_import(folder, "Flyway", "V1__add_users.sql")
        migrations = [
            *self._distinct(versioned, lambda one: undo.pop(one.version.numbers, None)),
            *self._distinct(repeatable, lambda one: None),
        ]
        self._remarks += (
            Remark(Change.LEFT_OUT, "undoes a version of which there is no file", Location(one.path))
            for one in undo.values()
        )
        return Source(
            "flyway",
            folder,
            tuple(migrations),
            variables=dict(self._placeholders.values),
            history_table=self._configuration.table,
            remarks=(*locations.remarks(self._configuration), *self._placeholders.remarks, *self._remarks),
        )

    def _of(self, kind: Kind) -> list[_File]:
        return [one for one in self._taken if one.named.kind is kind]

    def _collected(self, folders: list[str]) -> list[_File]:
        paths = {path for folder in folders for path in _in(self._files, folder)}
        # Code is compiled, so that it may be anywhere in the project.
        paths |= {path for path in self._files.paths if path.endswith(CODE_SUFFIXES) and not is_for_tests(path)}
        return [one for path in sorted(paths) if (one := self._taken_for(path)) is not None]

    def _taken_for(self, path: str) -> _File | None:
        """Return what Flyway takes a file for; None for what it does not run as a migration."""
        name, naming = name_of(path), self._configuration.naming
        suffix = naming.suffix_of(name)
        other = naming.suffix_of(name, others=(*CODE_SUFFIXES, *SCRIPT_SUFFIXES)) if suffix is None else None
        stem = name[: -len(suffix or other or " ")]
        if suffix is None and other is None:
            return None
        if callback := CALLBACK.fullmatch(stem):
            if other is None or other.lower() in SCRIPT_SUFFIXES:
                self._remarks.append(_callback(path, callback["event"]))
            return None
        named = naming.read(stem)
        if named is None:
            if suffix is not None:
                message = "its name is none of a migration, so that Flyway passes it over"
                self._remarks.append(Remark(Change.LEFT_OUT, message, Location(path)))
            return None
        if other is not None and "__" not in stem:
            return None  # a class, or a script, that just begins with one of the letters
        return _File(path, stem, named, is_sql=other is None)

    def _baselines(self) -> list[_File]:
        """Return the baseline that new databases need: the newest below which no versioned file is left."""
        versions = [one.version.numbers for one in self._of(Kind.VERSIONED)]
        ordered = sorted(self._of(Kind.BASELINE), key=lambda one: one.version.numbers, reverse=True)
        needed = next((one for one in ordered if not any(each <= one.version.numbers for each in versions)), None)
        for one in ordered:
            if one is not needed:
                message = "a baseline for new databases, which zmig makes by the migrations up to it"
                self._remarks.append(Remark(Change.LEFT_OUT, message, Location(one.path)))
        return [needed] if needed is not None else []

    def _distinct(
        self, ordered: Iterable[_File], undo_of: Callable[[_File], _File | None]
    ) -> Iterator[SourceMigration]:
        """Yield migrations; of those with the same version, or description, Flyway allows one."""
        seen: dict[str | tuple[int, ...], str] = {}
        for one in ordered:
            key = one.named.description if one.named.version is None else one.version.numbers
            again = seen.get(key)
            seen.setdefault(key, one.path)
            yield self._migration(one, undo_of(one), again)

    def _migration(self, one: _File, undo: _File | None, again: str | None) -> SourceMigration:
        remarks: list[Remark] = []
        if again is not None:
            message = f"`{again}` is of the same version: Flyway refuses both"
            remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
        if one.named.kind is Kind.BASELINE:
            message = "a baseline in place of files that are gone: it becomes the migration of its version"
            remarks.append(Remark(Change.KEPT, message, Location(one.path)))
        up, has_variables = self._script(one, remarks)
        repeats = self._repeats(one)
        down, down_has_variables = self._script(undo, remarks) if undo is not None else (None, False)
        if up is not None and down is not None and has_variables != down_has_variables:
            plain = down if has_variables else up
            remarks += flyway_placeholders.unescaped(plain.path, plain.text)
        is_repeatable = one.named.version is None
        id = repeatable_id(one.named.description) if is_repeatable else one.version.text
        if again is not None:
            id = f"{id} ({one.path})"
        return SourceMigration(
            id,
            one.stem,
            up,
            number=one.version.numbers[0] if not is_repeatable and len(one.version.numbers) == 1 else None,
            down=down,
            repeats=repeats,
            has_variables=has_variables or down_has_variables,
            description=one.named.description or None,
            remarks=tuple(remarks),
        )

    def _repeats(self, one: _File) -> Repeats | None:
        if one.named.version is not None:
            return None
        return Repeats.ALWAYS if self._placeholders.repeats_always else Repeats.CHANGED

    def _script(self, one: _File, remarks: list[Remark]) -> tuple[Script | None, bool]:
        """Return the SQL of a file, and whether it has variables."""
        self._placeholders.repeats_always = False
        if not one.is_sql:
            message = "code, not SQL: write it as a migration of zmig's in Python, or leave it out"
            remarks.append(Remark(Change.REFUSED, message, Location(one.path)))
            return None, False
        conf = self._conf(one.path)
        remarks += conf.remarks
        text, is_utf8 = _text(self._files, one.path, conf.encoding or self._configuration.encoding)
        if not is_utf8:
            remarks.append(Remark(Change.REWRITTEN, "the file becomes UTF-8", Location(one.path)))
        replaces = conf.replaces_placeholders
        if replaces is None:
            replaces = self._configuration.is_on("placeholderreplacement", default=True)
        written, has_variables = self._placeholders.rewrite(one.path, text, remarks) if replaces else (text, False)
        if has_variables and written != text:
            remarks.append(Remark(Change.REWRITTEN, "its placeholders become zmig's variables", Location(one.path)))
        transactional = conf.transactional
        if transactional is None and not self._configuration.is_on("executeintransaction", default=True):
            transactional = False
        is_whole = is_utf8 and written == text
        return Script(written, one.path, is_whole_file=is_whole, transactional=transactional), has_variables

    def _conf(self, path: str) -> _Conf:
        place = f"{path}{_CONF}"
        if place not in self._known:
            return _Conf(None, None, None, ())
        values: dict[str, str] = {}
        remarks: list[Remark] = []
        text = self._files.text(place)
        for key, value, start in flyway_configuration.properties(text):
            where = project_files.location(place, text, start, width=len(key))
            values[key] = value.strip()
            is_conditional = key == "shouldExecute" and values[key].lower() != "true"
            if key not in _KNOWN_CONF:
                remarks.append(Remark(Change.REFUSED, f"`{key}` is no key that Flyway knows here", where))
            elif is_conditional:
                message = "whether it runs is decided by an expression, which zmig does not have"
                remarks.append(Remark(Change.REFUSED, message, where))
            elif key == "executeInTransaction":
                remarks.append(Remark(Change.KEPT, "zmig runs it as this says, in a transaction or not", where))
        return _Conf(
            _boolean(values.get("executeInTransaction")),
            values.get("encoding"),
            _boolean(values.get("placeholderReplacement")),
            tuple(remarks),
        )


def _boolean(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "true"


def _callback(path: str, event: str) -> Remark:
    if event.startswith("afterMigrate") and not event.endswith("Error"):
        message = "a callback after each run: a repeatable with `repeat: {condition: select true}` does the same"
    elif _MIGRATES.match(event):
        message = "a callback around migrations, which zmig does not have: put what it sets into the role's settings"
    else:
        message = f"a callback for `{event}`, which zmig does not have"
    return Remark(Change.LEFT_OUT, message, Location(path))


def _text(files: ProjectFiles, path: str, encoding: str) -> tuple[str, bool]:
    """Return what a file says, and whether it is in UTF-8 already."""
    try:
        is_utf8 = codecs.lookup(encoding).name in ("utf-8", "ascii")
    except LookupError:
        raise unusable(path, f"`{encoding}` is no encoding that is known here") from None
    if is_utf8:
        return files.text(path), True
    content = files.read(path)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise unusable(path, f"it is not in {encoding}, as Flyway is configured") from None
    return text, text.encode() == content


def _matches(row: AppliedMigration, migration: SourceMigration, source: Source, files: ProjectFiles) -> Matches:
    """Return whether the checksum is of the file, or, for a repeatable, of it with its values."""
    up = migration.up
    if row.checksum is None or up is None:
        return None
    if up.is_whole_file and checksum(up.text) == row.checksum:
        return True
    raw = up.text if up.is_whole_file else _raw(files, up.path)
    if checksum(raw) == row.checksum:
        return True
    if migration.repeats is None or not migration.has_variables:
        # The time in the text of such a repeatable is another one in each run.
        return None if migration.repeats is Repeats.ALWAYS else False
    values = {name: value for name, value in source.variables.items() if value is not None}
    if not variables.names(up.text) <= values.keys() or migration.repeats is Repeats.ALWAYS:
        return None
    return checksum(variables.fill(up.text, values, path=up.path).text) == row.checksum


def _raw(files: ProjectFiles, path: str) -> str:
    """Return a file as Flyway reads it."""
    configuration = flyway_configuration.read(files)
    conf = f"{path}{_CONF}"
    entries = flyway_configuration.properties(files.text(conf)) if conf in files.paths else ()
    own = {key: value.strip() for key, value, _ in entries}
    return _text(files, path, own.get("encoding", configuration.encoding))[0]


def checksum(text: str) -> str:
    """Return Flyway's checksum of a text: the CRC-32 of its lines without their ends, as Java has it, with a sign."""
    number = zlib.crc32(text.removeprefix("\ufeff").replace("\r", "").replace("\n", "").encode())
    return str(number - _WORD if number >= _HALF else number)


TOOL = Tool(
    "flyway",
    "Flyway",
    language=Language.SQL,
    find=_find,
    read=_read,
    history=HistoryTable(
        "public.flyway_schema_history",
        queries=history.queries,
        read=history.read,
        lock=history.lock,
    ),
    matches=_matches,
)
