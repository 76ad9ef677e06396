"""Which manifest a command works on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.project import text_file
from zmig.text.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "ZMIG_MANIFEST"
FOLDER = "manifests"
_SUFFIXES = (".yaml", ".yml")


def find(argument: str | None, *, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the path of the manifest: the argument, else `$ZMIG_MANIFEST`, else the only one in `manifests/`.

    A relative path is taken from `cwd`. Raises UsageError, with the names that come near, where there is none.
    """
    named = environ.get(VARIABLE) if argument is None else argument
    present = _near(cwd) if named else present_in(cwd)
    if argument == "":
        raise UsageError(Problem("manifest-missing", "the manifest that is named is an empty word", hint=_NAME_ONE))
    if named:
        if not _exists(cwd / named):
            raise UsageError(_missing(cwd, named, present, from_variable=argument is None))
        return Path(named)
    if not present:
        message = f"no manifest is named, and there is none in `{FOLDER}/`"
        hint = "write one with `zmig init`, or name one, such as `zmig status path/to/manifest.yaml`"
        raise UsageError(Problem("manifest-unnamed", message, hint=hint))
    if len(present) > 1:
        message = f"no manifest is named, and `{FOLDER}/` holds {len(present)}"
        facts = (f"manifests here: {', '.join(present)}",)
        raise UsageError(Problem("manifest-unnamed", message, facts=facts, hint=f"name one, such as `{present[0]}`"))
    return Path(present[0])


def present_in(cwd: Path) -> list[str]:
    """Return the paths of what is in `manifests/`. Raises UsageError where nobody may look there."""
    folder = cwd / FOLDER
    try:
        names = (path for path in folder.iterdir() if path.suffix in _SUFFIXES) if folder.is_dir() else ()
        return sorted(f"{FOLDER}/{path.name}" for path in names)
    except OSError as error:
        raise UsageError(_unreadable(Path(FOLDER), Path(FOLDER), error)) from None


def _near(cwd: Path) -> list[str]:
    """Return the same, for what is only offered in place of another one."""
    with suppress(UsageError):
        return present_in(cwd)
    return []


def require_current_folder() -> None:
    """Make sure that the current folder is there, for what is written beside it. Raises UsageError."""
    try:
        Path.cwd()
    except OSError as error:
        message = f"the current folder cannot be used: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("folder-missing", message, hint="go to one that is there, as with `cd ~`")) from None


def is_there(path: Path) -> bool:
    """Return whether a manifest is there, be it a link to nothing. Raises UsageError where nobody may look there."""
    try:
        return path.exists() or path.is_symlink()
    except OSError as error:
        raise UsageError(_unreadable(path, path.parent, error)) from None


def _unreadable(path: Path, reason: Path, error: OSError) -> Problem:
    import shlex

    message = f"`{path}` cannot be looked at: {(error.strerror or str(error)).lower()}"
    return Problem("file-unreadable", message, hint=f"run `ls -ld {shlex.quote(str(reason))}`")


_NAME_ONE = "name a manifest, such as `manifests/prod.yaml`"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _missing(cwd: Path, named: str, present: list[str], *, from_variable: bool) -> Problem:
    message = f"the manifest `{named}` does not exist"
    source = (f"named by ${VARIABLE}",) if from_variable else ()
    link = Problem("manifest-missing", f"the manifest `{named}` is a link to nothing", facts=source)
    if (led := text_file.led_nowhere(cwd / named, link)) is not None:
        return led
    path, meant = Path(named), list[str]()
    if path.name and path.suffix in (
        *_SUFFIXES,
        "",
    ):  # it may be beside the one named, with its suffix spelled otherwise
        meant = [str(path.with_suffix(suffix)) for suffix in _SUFFIXES if _exists(cwd / path.with_suffix(suffix))]
    meant += [known for known in present if named in (Path(known).name, Path(known).stem)]
    near = meant[0] if meant else nearest(named, present, cutoff=0.5)
    if near is not None:
        return Problem("manifest-missing", message, facts=source, hint=f"name `{near}`")
    facts = (*source, f"manifests here: {', '.join(present)}") if present else source
    hint = _NAME_ONE
    if not present and path.suffix in _SUFFIXES and "\n" not in named:
        import shlex

        hint = f"write it with `{shlex.join(('zmig', 'init', named))}`, or name another one"
    return Problem("manifest-missing", message, facts=facts, hint=hint)
