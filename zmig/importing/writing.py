"""Writes what an import has planned: new files, and the manifest. All of it, or nothing; no file is ever replaced."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from zmig.errors import Location, ManifestError, Problem, UsageError
from zmig.importing import manifest_text
from zmig.manifest import edit, reader
from zmig.manifest.variables import escaped
from zmig.project import inclusion, new_files, project, scaffold
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from zmig.importing.plan import ImportPlan
    from zmig.manifest.edit import Fields
    from zmig.manifest.yaml_parser import Document
    from zmig.project.inclusion import LoadedManifest

_INSTEAD = "move it away, or name another manifest with `--manifest`"


@valueclass
class Written:
    """What was written."""

    files: tuple[Path, ...]
    """New files, the manifest not among them."""
    entries: int
    """How many entries the manifest has got."""


class _Additions(NamedTuple):
    """What a manifest gets."""

    entries: Sequence[Fields]
    variables: Mapping[str, str]
    left_out: Mapping[str, Sequence[str]]
    tool: str
    called: Mapping[int, Sequence[str]]
    """What entries are to say that the tool calls them, each by its place."""


def write(plan: ImportPlan, environ: Mapping[str, str]) -> Written:
    """Write a plan, and read all of it again. Nothing is written where the manifest has everything.

    Raises:
        UsageError: a file exists already, or cannot be written.
        ManifestError: the manifest cannot be edited, or what it would say is wrong.
    """
    if not plan.has_work:
        return Written((), 0)
    planned = {file.path: file.text or "" for one in plan.migrations for file in one.new_files}
    # Those that are there as they would be are of an import that was cut off.
    contents: dict[Path, str | bytes] = {path: text for path, text in planned.items() if not _holds(path, text)}
    keeps_numbers = plan.keeps_numbers
    entries = [
        manifest_text.fields(one, plan.manifest, plan.source.tool, keeps_numbers=keeps_numbers) for one in plan.new
    ]
    additions = _Additions(
        entries,
        manifest_text.values(plan.variables),
        manifest_text.left_out(plan),
        plan.source.tool,
        {place: [escaped(id) for id in ids] for place, ids in plan.to_call.items()},
    )
    known = _known(plan, environ)
    if plan.is_declared:
        root = inclusion.read(plan.manifest, environ=known).opened[0]
        text = _added(root, additions, known)
        with new_files.written(contents, instead=_INSTEAD):
            scaffold.replace_manifest(root, text)
        return Written(tuple(contents), len(entries))
    about = f"Taken over from {plan.title} by `zmig import`."
    text = manifest_text.new(
        plan.manifest, about=about, variables=additions.variables, left_out=additions.left_out, entries=entries
    )
    everything = {**contents, **manifest_text.schema_file(plan.manifest), plan.manifest: text}
    with new_files.written(everything, instead=_INSTEAD):
        project.load(plan.manifest, environ=known)  # whatever is wrong with it, nothing is left of it
    return Written(tuple(everything)[:-1], len(entries))


@contextmanager
def alone() -> Generator[None]:
    """Let no other import write from this folder inside the block: each would take the other one's files for its own.

    Raises UsageError where one does.
    """
    import fcntl

    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise UsageError(_running()) from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(folder)


def _running() -> Problem:
    return Problem(
        "import-running",
        "another import is writing in this folder",
        effect="nothing was written",
        hint="run the command again once that has ended",
    )


def _holds(path: Path, text: str) -> bool:
    """Whether a file is there with this content, and is itself no link."""
    try:
        return not path.is_symlink() and path.read_bytes() == text.encode()
    except OSError:
        return False


def _known(plan: ImportPlan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment with a value for each variable that has to come from it later."""
    return {**{name.upper(): "x" for name, value in plan.variables.items() if value is None}, **environ}


def _added(root: LoadedManifest, additions: _Additions, environ: Mapping[str, str]) -> str:
    """Return the manifest's text with what it gets, which is read again to be sure of it."""
    before = scaffold.plain(root.manifest.document)
    document = root.manifest.document
    for edited, refusal in _edits(root, additions):
        try:
            text = edited(document)
        except edit.NotEditable:
            raise ManifestError(refusal) from None
        again = reader.read(text, label=str(root.path), environ=environ)
        if again.problems:
            raise ManifestError(refusal)
        document = again.document
    entries, variables = additions.entries, additions.variables
    expected = {**before, **({"variables": {**before.get("variables", {}), **variables}} if variables else {})}
    if additions.left_out:
        expected["import"] = _with_left_out(before.get("import", {}), additions.left_out)
    after = scaffold.plain(document)
    for place, ids in additions.called.items():
        origin = before["migrations"][place].get("origin", {})
        before["migrations"][place]["origin"] = {**origin, additions.tool: list(ids)}
    kept = [one for one in after["migrations"] if one not in entries]
    if kept != before["migrations"] or len(after["migrations"]) != len(kept) + len(entries):
        raise ManifestError(_not_editable(root))
    if {**after, "migrations": kept} != expected:
        raise ManifestError(_not_editable(root))
    return document.source.text


def _with_left_out(before: Mapping[str, Any], more: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what `import` in the manifest is to say."""
    known: Mapping[str, Sequence[str]] = before.get("leave_out", {})
    return {**before, "leave_out": {**known, **{tool: [*known.get(tool, ()), *names] for tool, names in more.items()}}}


def _edits(root: LoadedManifest, additions: _Additions) -> Iterator[tuple[Callable[[Document], str], Problem]]:
    """Yield what is done to the manifest, one after the other, each with what is wrong where that cannot be done."""
    if additions.called:
        yield partial(edit.set_origins, tool=additions.tool, ids=additions.called), _cannot_call(root, additions)
    if additions.variables:
        yield lambda document: edit.add_variables(document, additions.variables), _not_editable(root)
    for tool, names in additions.left_out.items():
        yield partial(edit.add_left_out, tool=tool, names=names), _cannot_leave_out(root, tool, names)
    if not additions.entries:
        return
    if not root.manifest.declarations:
        yield lambda document: edit.add_first(document, additions.entries), _not_editable(root)
        return
    for fields in additions.entries:
        yield partial(edit.add, fields=fields), _not_editable(root)


def _cannot_leave_out(root: LoadedManifest, tool: str, names: Sequence[str]) -> Problem:
    """Return the problem of a manifest that cannot get what the next import has to know."""
    message = f"what is left out cannot be written to `{root.path}` by program, as it is written"
    listed = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    hint = f"write `import: {{leave_out: {{{tool}: [{listed}]}}}}` there by hand, and import without `--leave-out`"
    return Problem("manifest-not-editable", message, Location(str(root.path)), hint=hint)


def _cannot_call(root: LoadedManifest, additions: _Additions) -> Problem:
    """Return the problem of a manifest whose entries cannot get what the tool calls them now."""
    place, ids = next(iter(additions.called.items()))
    name = root.manifest.declarations[place].name
    message = f"what the tool calls `{name}` now cannot be written to `{root.path}` by program, as it is written"
    origin = f"origin: {{{additions.tool}: {json.dumps(list(ids), ensure_ascii=False)}}}"
    location = root.manifest.declarations[place].location()
    return Problem("manifest-not-editable", message, location, hint=f"write `{origin}` in that entry by hand")


def _not_editable(root: LoadedManifest) -> Problem:
    message = f"entries cannot be added to `{root.path}` by program, as it is written"
    hint = "name another manifest with `--manifest`, and move its entries by hand"
    return Problem("manifest-not-editable", message, Location(str(root.path)), hint=hint)
