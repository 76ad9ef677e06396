"""`zmig init`."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.errors import ExitCode, Problem, UsageError
from zmig.hints import Hint, SuggestedCommand
from zmig.importing import detection, manifest_text, planning
from zmig.importing.folder import FolderFiles
from zmig.project import choice, draft, new_files
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.importing.detection import Found


@valueclass
class _Ci:
    """A check of migrations for a CI system."""

    path: Path
    """Where that looks for it."""
    text: str


_GITHUB = """\
# Checks what is new in a pull request's migrations, without a database.
name: migrations
on: pull_request
jobs:
  lint:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
      - run: pip install "zmig[lint]"
      - run: git fetch --quiet --depth=1 origin "$GITHUB_BASE_REF"
      - run: zmig lint {manifest} --base FETCH_HEAD --format github
"""
_GITLAB = """\
# Checks what is new in a merge request's migrations, without a database.
zmig-lint:
  image: python:3.13
  variables:
    GIT_DEPTH: 0
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
  script:
    - pip install --quiet "zmig[lint]"
    - git fetch --quiet origin "$CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
    - zmig lint {manifest} --base FETCH_HEAD --format gitlab > gl-code-quality-report.json
  artifacts:
    when: always
    reports:
      codequality: gl-code-quality-report.json
"""
_CI = {
    "github": _Ci(Path(".github", "workflows", "zmig.yml"), _GITHUB),
    "gitlab": _Ci(Path(".gitlab-ci.yml"), _GITLAB),
}


class InitOptions(Options):
    """The options of `zmig init`."""

    ci: str | None


def run(call: CommandContext, options: InitOptions) -> ExitCode:
    """Write a manifest without a migration, and what else was asked for; say what is there already."""
    choice.require_current_folder()
    manifest = _manifest(options)
    is_there = choice.is_there(manifest)
    if is_there and options.ci is None:
        raise UsageError(_exists(manifest))
    contents: dict[Path, str | bytes] = {} if is_there else _new(manifest)
    printed = None
    if options.ci is not None:
        ci = _CI[options.ci]
        text = ci.text.format(manifest=shlex.quote(manifest.as_posix()))
        if choice.is_there(ci.path):
            printed = text
        else:
            contents[ci.path] = text
    found = () if is_there else _found()
    folder = None if is_there or found else _new_folder(manifest)
    with new_files.written(contents, folder=folder, instead="choose another name"):
        pass
    _say(call, manifest, list(contents), folder, found, is_there=is_there)
    if options.json:
        call.output.document(_document(manifest, list(contents), folder, printed, found))
    elif printed is not None:
        call.output.data(printed.removesuffix("\n"))
    return ExitCode.OK


def _new(manifest: Path) -> dict[Path, str | bytes]:
    """Return the files of a new manifest."""
    text = manifest_text.new(manifest, about="Declares the migrations of one database.")
    return {manifest: text, **manifest_text.schema_file(manifest)}


def _new_folder(manifest: Path) -> Path | None:
    """Return the folder for the first migrations; None where there is something of that name.

    It stays empty, so that git does not have it: whoever clones the project gets it with the first migration.
    """
    folder = Path(os.path.normpath(manifest.parent / draft.usual_folder(manifest)))
    return None if os.path.lexists(folder) else folder


def _manifest(options: InitOptions) -> Path:
    """Return the manifest that is meant. Raises UsageError where that is no name for one."""
    name = options.names[0] if options.names else None
    if name is not None and (not name.strip(". ") or "/" in name or not name.isprintable()):
        hint = "name it like `zmig init shop`, or by a path that ends in `.yaml`"
        raise UsageError(Problem("name-invalid", f"`{name}` is no name for a manifest", hint=hint))
    if options.manifest is not None:
        return Path(options.manifest)
    if name is not None:
        return Path(choice.FOLDER, f"{name}.yaml")
    present = choice.present_in(Path()) if options.ci is not None else []
    return Path(present[0]) if len(present) == 1 else planning.default_manifest(Path(), Path())


def _exists(manifest: Path) -> Problem:
    look = SuggestedCommand("status", (), is_step=True, manifest=str(manifest))
    hint = Hint("look at it with ", f"`{look.line(str(manifest), None)}`")
    return Problem("file-exists", f"the manifest `{manifest}` exists already", hint=hint)


def _found() -> tuple[Found, ...]:
    """Return the tools whose migrations are in this folder; none where it is too large to be looked through."""
    try:
        return detection.find(FolderFiles(Path()))
    except UsageError:
        return ()


def _say(
    call: CommandContext,
    manifest: Path,
    written: Sequence[Path],
    folder: Path | None,
    found: Sequence[Found],
    *,
    is_there: bool,
) -> None:
    if written:
        more = "" if folder is None else f", and made the folder `{folder}`"
        call.output.note(f"wrote {', '.join(f'`{path}`' for path in written)}{more}")
    for one in found:
        line = _import_line(one, manifest, is_only=len(found) == 1)
        call.output.note(f"{one.tool.title} has migrations in `{one.folder}`: `{line}` shows how they are taken over")
    if not found and not is_there:
        create = shlex.join(("zmig", "create", str(manifest), "what it is for"))
        call.output.note(f"next: `{create}` writes the first migration")


def _import_line(found: Found, manifest: Path, *, is_only: bool) -> str:
    words = ["zmig", "import", "--manifest", str(manifest)]
    return shlex.join([*words, *([] if is_only else ["--from", found.tool.name])])


def _document(
    manifest: Path, written: Sequence[Path], folder: Path | None, printed: str | None, found: Sequence[Found]
) -> dict[str, object]:
    return {
        "manifest": str(manifest),
        "files": [str(path) for path in written],
        "folder": None if folder is None else str(folder),
        "ci": printed,
        "found": [
            {
                "tool": one.tool.name,
                "folder": one.folder,
                "command": _import_line(one, manifest, is_only=len(found) == 1),
            }
            for one in found
        ],
    }


def _ci(text: str) -> str:
    """Return the CI system that is meant. Raises UsageError."""
    if text in _CI:
        return text
    hint = "write `--ci github` or `--ci gitlab`"
    raise UsageError(Problem("usage", f"`{text}` does not fit the option", hint=hint))


COMMAND = Command(
    about=(
        "Writes a manifest without migrations, for the database that DATABASE_URL names, and beside it the schema by "
        "which editors complete its keys; makes the folder for migrations. Finds the migrations of another tool, and "
        "says how they are taken over. Replaces nothing."
    ),
    document=(
        "manifest, files (that were written), folder (for migrations, that was made; or null), ci (the text that "
        "--ci would have written to a file that exists; or null), found (tool, folder, command; the "
        "migrations of other tools)"
    ),
    run=run,
    options_type=InitOptions,
    options=(
        Option(
            "--ci",
            "also write a check of what is new, to .github/workflows/zmig.yml or .gitlab-ci.yml; print it where that "
            "exists; write nothing else where the manifest exists",
            "|".join(_CI),
            _ci,
        ),
    ),
    takes=Positionals.NAME_OR_NONE,
    name_help="what the manifest is called, in manifests/; without it, as this folder",
    examples=("zmig init", "zmig init shop --ci github", "zmig init manifests/orders.yaml"),
)
