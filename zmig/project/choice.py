"""Which manifest a command works on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.project import text_file
from zmig.text.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "ZMIG_MANIFEST"
FOLDER = "manifests"


def find(argument: str | None, *, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the path of the manifest: the argument, else `$ZMIG_MANIFEST`, else the only one in `manifests/`.

    A relative path is taken from `cwd`. Raises UsageError, with the names that come near, where there is none.
    """
    named = environ.get(VARIABLE) if argument is None else argument
    present = _present(cwd)
    if argument == "":
        raise UsageError(Problem("manifest-missing", "the manifest that is named is an empty word", hint=_NAME_ONE))
    if named:
        if not _exists(cwd / named):
            raise UsageError(_missing(cwd, named, present, from_variable=argument is None))
        return Path(named)
    if len(present) != 1:
        raise UsageError(_several(present) if present else _none())
    return Path(present[0])


_NAME_ONE = "name a manifest, such as `manifests/prod.yaml`"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _present(cwd: Path) -> list[str]:
    folder = cwd / FOLDER
    if not folder.is_dir():
        return []
    return sorted(f"{FOLDER}/{path.name}" for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def _missing(cwd: Path, named: str, present: list[str], *, from_variable: bool) -> Problem:
    message = f"the manifest `{named}` does not exist"
    source = (f"named by ${VARIABLE}",) if from_variable else ()
    link = Problem("manifest-missing", f"the manifest `{named}` is a link to nothing", facts=source)
    if (led := text_file.led_nowhere(cwd / named, link)) is not None:
        return led
    by_stem = [*_other_suffix(cwd, named)]
    by_stem += [path for path in present if named in (Path(path).name, Path(path).stem)]
    found = by_stem[0] if by_stem else nearest(named, present, cutoff=0.5)
    if found is not None:
        return Problem("manifest-missing", message, facts=source, hint=f"name `{found}`")
    facts = (*source, f"manifests here: {', '.join(present)}") if present else source
    return Problem("manifest-missing", message, facts=facts, hint=_NAME_ONE)


def _other_suffix(cwd: Path, named: str) -> Iterator[str]:
    """Yield the manifest beside the one named, of the other spelling of its suffix."""
    path = Path(named)
    for suffix in (".yaml", ".yml"):
        if path.name and path.suffix in (".yaml", ".yml", "") and _exists(cwd / path.with_suffix(suffix)):
            yield str(path.with_suffix(suffix))


def _several(present: list[str]) -> Problem:
    message = f"no manifest is named, and `{FOLDER}/` holds {len(present)}"
    facts = (f"manifests here: {', '.join(present)}",)
    return Problem("manifest-unnamed", message, facts=facts, hint=f"name one, such as `{present[0]}`")


def _none() -> Problem:
    message = f"no manifest is named, and there is none in `{FOLDER}/`"
    return Problem("manifest-unnamed", message, hint="name one, such as `zmig status path/to/manifest.yaml`")
