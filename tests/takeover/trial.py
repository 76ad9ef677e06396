"""One trial: a tool applies the first half of a project, zmig takes over, and both ends are the same schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import psycopg

from tests.support.process import Process
from tests.takeover.steps import APPLIED, STEPS
from zmig.catalog.difference import differences
from zmig.catalog.scope import Scope
from zmig.database import schema_reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.process import Ended
    from tests.takeover.steps import Step
    from tests.takeover.tools import Tool
    from zmig.catalog.objects import SchemaSnapshot

_MANIFEST = "manifests/shop.yaml"


class TrialFailed(Exception):
    """Something was not as it has to be."""


class Trial:
    """A project of one tool, which goes over to zmig."""

    def __init__(self, tool: Tool, folder: Path, *, url: str, whole_url: str, scratch_url: str) -> None:
        """Name an empty folder, two empty databases, and a server for scratch databases.

        The first one is taken over in the middle; in the `whole` one the tool itself goes to the end.
        """
        self._tool = tool
        self._folder = folder
        self._url = url
        self._whole_url = whole_url
        self._scratch_url = scratch_url
        self._steps = [step for step in STEPS if step.transactional or tool.takes_concurrently]

    def run(self) -> None:
        """Carry it out. Raises TrialFailed, ToolFailed."""
        tool, folder = self._tool, self._folder
        folder.mkdir()
        tool.write(folder, self._steps[:APPLIED])
        tool.apply(folder, self._url)
        half = snapshot(self._url)
        if tool.is_code:
            self._take_over_code(half)
            return
        tool.write(folder, self._steps)
        tool.apply(folder, self._whole_url)
        before = self._files()
        self._import_files()
        self._import_history()
        self._see_status(self._steps[:APPLIED], self._steps[APPLIED:])
        self._zmig("apply", _MANIFEST, "--database-url", self._url)
        _same("what zmig made of the rest", snapshot(self._whole_url), snapshot(self._url))
        self._zmig("import", "--database", "--verify", *self._places())
        if tool.has_rollback:
            self._zmig("rollback", _MANIFEST, "--steps", str(len(self._steps) - APPLIED), "--yes", *self._at())
            _same("what its rollbacks left", half, snapshot(self._url))
        if self._files().items() & before.items() != before.items():
            raise TrialFailed("files of the tool were changed")

    def _take_over_code(self, half: SchemaSnapshot) -> None:
        """Begin with a dump of the schema, and go on with a migration of zmig's own."""
        self._zmig("import", "--from", self._tool.name, "--write", "--database", *self._places())
        _same("the database, which nothing is done to", half, snapshot(self._url))
        imported = [fact for fact in self._facts() if fact["event_type"] == "migration.imported"]
        if not imported or any(_origin(fact).get("tool") != self._tool.name for fact in imported):
            raise TrialFailed(f"the history is not in the facts: {imported}")
        self._zmig("status", _MANIFEST, "--check", *self._at())
        self._zmig("apply", _MANIFEST, "--database-url", self._whole_url)
        _same("what the dump builds", half, snapshot(self._whole_url))

    def _import_files(self) -> None:
        found = self._zmig("import", "--manifest", _MANIFEST, "--json")
        if json.loads(found.stdout)["tool"] != self._tool.name:
            raise TrialFailed(f"taken for another tool's: {found.stdout}")
        self._zmig("import", "--from", self._tool.name, "--manifest", _MANIFEST, "--write")

    def _import_history(self) -> None:
        self._zmig("import", "--database", *self._places())
        known = self._facts()
        baselined = [fact for fact in known if fact["event_type"] == "migration.baselined"]
        origins = [_origin(fact) for fact in baselined]
        if len(origins) != APPLIED or any(one.get("tool") != self._tool.name for one in origins):
            raise TrialFailed(f"the history is not in the facts: {origins}")
        if any(one.get("matches") is False for one in origins):
            raise TrialFailed(f"a file is said to differ that does not: {origins}")
        self._zmig("import", "--database", *self._places())
        if len(self._facts()) != len(known):
            raise TrialFailed("a second import has added facts")

    def _see_status(self, done: Sequence[Step], pending: Sequence[Step]) -> None:
        shown = json.loads(self._zmig("status", _MANIFEST, "--json", *self._at()).stdout)
        states = [entry["state"] for entry in shown["migrations"]]
        if states != ["done"] * len(done) + ["pending"] * len(pending):
            raise TrialFailed(f"the states are {states}")

    def _facts(self) -> list[dict[str, object]]:
        return cast(
            "list[dict[str, object]]",
            json.loads(self._zmig("history", _MANIFEST, "--json", *self._at()).stdout)["facts"],
        )

    def _at(self) -> tuple[str, str]:
        return "--database-url", self._url

    def _places(self) -> tuple[str, ...]:
        return "--manifest", _MANIFEST, "--scratch-url", self._scratch_url, *self._at()

    def _zmig(self, *arguments: str) -> Ended:
        with Process(*arguments, cwd=self._folder) as process:
            ended = process.wait()
        if ended.code:
            command = f"zmig {' '.join(arguments)}"
            raise TrialFailed(f"{command}\nended with {ended.code}\n{ended.stdout}{ended.stderr}")
        return ended

    def _files(self) -> dict[str, bytes]:
        paths = (path for path in self._folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path): path.read_bytes() for path in paths}


def _origin(fact: dict[str, object]) -> dict[str, object]:
    data = cast("dict[str, object]", fact["event_data"])
    return cast("dict[str, object]", data.get("origin") or {})


def snapshot(url: str) -> SchemaSnapshot:
    """Return what is in a database, without zmig's tables and those of other tools."""
    with psycopg.connect(url, autocommit=True) as connection:
        return schema_reader.read(connection, Scope("zmig"))


def _same(what: str, expected: SchemaSnapshot, found: SchemaSnapshot) -> None:
    differing = [one for one in differences(expected, found) if not one.is_note]
    if differing:
        raise TrialFailed(f"{what} is another schema: {[(one.kind, one.identity) for one in differing]}")
