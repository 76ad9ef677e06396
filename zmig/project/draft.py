"""What a new migration will be: its version, its name, its files and what is in them. Nothing is written here."""

from __future__ import annotations

import re
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.errors import Problem, UsageError
from zmig.manifest.declaration import LARGEST_VERSION, stem
from zmig.model import Kind
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence
    from dataclasses import KW_ONLY

    from zmig.manifest.declaration import Declaration
    from zmig.project.inclusion import Inclusion

_USUAL_FOLDER = "../migrations"
_FOLDER_BESIDE = "migrations"
"""For a manifest in the root of a project, which `..` would lead out of."""
_USUAL_DIGITS = 3
_LONGEST_SLUG = 100


@valueclass
class Draft:
    """A migration that is about to be created."""

    version: int
    name: str
    kind: Kind
    _: KW_ONLY
    file: Path
    rollback_file: Path | None
    """None for Python, which rolls back by a function of its own."""
    folder: str
    """The folder of both, as the manifest's other entries write it."""

    def fields(self) -> dict[str, str | int]:
        """Return what the manifest's entry says."""
        prefix = f"{self.folder}/" if self.folder else ""
        fields: dict[str, str | int] = {
            "version": self.version,
            "file": prefix + self.file.name,
            "kind": self.kind.value,
        }
        if self.kind is Kind.REPEATABLE:
            fields["repeat"] = "checksum"
        if self.rollback_file is not None:
            fields["rollback"] = prefix + self.rollback_file.name
        return fields

    def texts(self, *, today: datetime.date, description: str | None) -> dict[Path, str]:
        """Return what its files hold."""
        words = " ".join((description or self.name.partition("_")[2].replace("_", " ")).split())
        if self.rollback_file is None:
            words = words.replace("\\", "\\\\").replace('"', '\\"')
            return {self.file: _PYTHON.format(description=words, date=today, name=self.name)}
        return {
            self.file: _SQL.format(description=words, date=today),
            self.rollback_file: f"{UNDOES}{self.name}\n-- date: {today}\n\n",
        }


UNDOES = "-- description: Undoes "
"""How a new rollback file begins."""
_SQL = """\
-- description: {description}
-- date: {date}

"""
_PYTHON = '''\
"""{description}

date: {date}
"""


def execute(ctx):
    """Do the work through `ctx.connection`, inside the migration's transaction."""
    raise NotImplementedError("write what {name} does")


def rollback(ctx):
    """Undo what `execute` did."""
    raise NotImplementedError("write what undoes {name}")
'''


def make(inclusion: Inclusion, name: str, *, kind: Kind) -> Draft:
    """Return the draft of a migration called `name`. Raises UsageError for a name that cannot be used."""
    declarations = tuple(inclusion.declarations)
    alike = [entry for entry in declarations if (entry.effective_kind is Kind.REPEATABLE) == (kind is Kind.REPEATABLE)]
    version = _free_version(alike or declarations, declarations)
    highest = max(alike or declarations, key=lambda entry: entry.version or 0, default=None)
    number = re.match(r"[0-9]+", stem(highest.file or "")) if highest is not None else None
    digits = _USUAL_DIGITS if number is None else len(number[0])
    full_name = f"{version:0{digits}}_{_slug(name, version)}"
    if any(full_name == entry.name for entry in declarations):
        message = f"the name `{full_name}` is taken"
        raise UsageError(Problem("name-repeated", message, hint="choose another name"))
    folder, path = _folder(inclusion, alike)
    rollback = None if kind is Kind.PYTHON else path / f"{full_name}.rollback.sql"
    file = path / f"{full_name}{'.py' if kind is Kind.PYTHON else '.sql'}"
    return Draft(version, full_name, kind, file=file, rollback_file=rollback, folder=folder)


def _free_version(alike: Sequence[Declaration], all_: Sequence[Declaration]) -> int:
    """Return the version after the highest of those that are alike, and free."""
    taken = {entry.version for entry in all_}
    version = max((entry.version or 0 for entry in alike), default=0) + 1
    while version in taken:
        version += 1
    if version > LARGEST_VERSION:
        message = f"no version is left above {LARGEST_VERSION}, the largest there is"
        hint = "give that migration a lower version while it is not applied, or add the new one by hand"
        raise UsageError(Problem("version-exhausted", message, hint=hint))
    return version


def _slug(name: str, version: int) -> str:
    """Return a name as it is in file names: in lower case, with `_` between its words, without suffix and version."""
    words = re.sub(r"\.(sql|py)$", "", name.strip(), flags=re.IGNORECASE)
    slug = re.sub(r"[\W_]+", "_", words.lower()).strip("_")
    slug = re.sub(rf"^0*{version}_", "", slug)
    if not slug or len(slug) > _LONGEST_SLUG:
        reason = f"is longer than {_LONGEST_SLUG} characters" if slug else "has no letter or digit"
        problem = Problem("name-invalid", f"the name `{name}` {reason}", hint="name it like `zmig create add_orders`")
        raise UsageError(problem)
    return slug


def _folder(inclusion: Inclusion, alike: list[Declaration]) -> tuple[str, Path]:
    """Return the folder where the other migrations are: as the manifest writes it, and to be opened."""
    root = inclusion.opened[0]
    for opened in inclusion.opened:
        declarations = [entry for entry in opened.manifest.declarations if entry.file]
        if not declarations:
            continue
        entry = next((entry for entry in reversed(declarations) if entry in alike), declarations[-1])
        path = opened.folder.path(entry.file or "").parent
        if path.name == entry.name:
            break  # each migration has a folder of its own, as in other tools
        if opened is root:
            return entry.text("file").rpartition("/")[0], path
        return relpath(path, root.path.parent).replace("\\", "/"), path
    folder = usual_folder(root.path)
    return folder, root.folder.path(folder)


def usual_folder(manifest: Path) -> str:
    """Return where the files of a manifest's first migrations are put, relative to it."""
    return _FOLDER_BESIDE if _is_root(manifest.absolute().parent) else _USUAL_FOLDER


def _is_root(folder: Path) -> bool:
    """Whether a folder is the whole project, so that what is beside it is not the project's."""
    has_mark = any((folder / name).exists() for name in (".git", "pyproject.toml"))
    try:
        working = Path.cwd()
    except FileNotFoundError:  # it was removed
        return has_mark
    return has_mark or folder in (working, *working.parents)
