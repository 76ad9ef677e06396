"""The folder that lint keeps things in, `.zmig/lint` beside a manifest: signed files of JSON, few and of bounded size.

Whoever proposes a change to a repository may bring such a folder along, and make it say that nothing was found. So each
file is signed with a key that is this user's own and outside of the project; what has no such signature is not there.
Nothing here raises OSError: where a file cannot be read or written, lint goes on without.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from contextlib import suppress
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING

from zmig.lint import git

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDERS = (".zmig", "lint")
_IGNORED_BY_GIT = ".gitignore"
_OWN = re.compile(r"[0-9a-f]{40}\.(?:findings|catalog)\.json|\.[0-9a-f]{16}\.tmp")
"""The names of files here; no other is ever removed."""
_KEY_OCTETS = 32
_LONGEST = 32 << 20
_MOST_OCTETS = 96 << 20
_MOST_FILES = 24
_ABANDONED_SECONDS = 3600
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class CacheFolder:
    """What is kept beside one manifest."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key

    def read(self, name: str) -> object:
        """Return what was kept under a name; None where nothing was, or what is there was not written here."""
        try:
            content = _content(self._path / name, _LONGEST)
            signature, _, text = content.partition(b"\n")
            if not compare_digest(signature, self._signature(name, text)):
                return None
            with suppress(OSError):  # what is read is removed last
                os.utime(self._path / name)
            value: object = json.loads(text)
        except (OSError, ValueError):
            return None
        return value

    def has(self, name: str) -> bool:
        """Whether something is there under a name."""
        return os.path.lexists(self._path / name)

    def write(self, name: str, value: object) -> None:
        """Keep a value under a name, in place of what is there, and remove what was read longest ago."""
        text = json.dumps(value, separators=(",", ":"), check_circular=False).encode()
        if len(text) >= _LONGEST:
            return
        with suppress(OSError):
            self._make()
            unfinished = self._path / f".{os.urandom(8).hex()}.tmp"
            try:
                with os.fdopen(os.open(unfinished, _WRITE, 0o600), "wb") as file:
                    file.write(self._signature(name, text) + b"\n" + text)
                unfinished.replace(self._path / name)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
            self._prune()

    def _signature(self, name: str, text: bytes) -> bytes:
        signed = blake2b(name.encode() + b"\n", key=self._key, digest_size=_KEY_OCTETS)
        signed.update(text)
        return signed.hexdigest().encode()

    def _make(self) -> None:
        """Make the folder, and see to it that git does not show it."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignored = self._path.parent / _IGNORED_BY_GIT
        if not os.path.lexists(ignored):
            with suppress(FileExistsError), os.fdopen(os.open(ignored, _WRITE, 0o644), "wb") as file:
                file.write(b"*\n")

    def _prune(self) -> None:
        kept: list[tuple[float, int, str]] = []
        with os.scandir(self._path) as found:
            for one in found:
                if _OWN.fullmatch(one.name) and one.is_file(follow_symlinks=False):
                    status = one.stat(follow_symlinks=False)
                    kept.append((status.st_mtime, status.st_size, one.path))
        octets = 0
        for number, (used, size, path) in enumerate(sorted(kept, reverse=True)):
            octets += size
            is_abandoned = path.endswith(".tmp") and time.time() - used > _ABANDONED_SECONDS
            if is_abandoned or number >= _MOST_FILES or octets > _MOST_OCTETS:
                with suppress(OSError):  # another lint was faster
                    Path(path).unlink()


def around(manifest: Path, *, environ: Mapping[str, str]) -> CacheFolder | None:
    """Return what is kept beside a manifest; None where nothing can be, as without a key of the user's own."""
    folder = manifest.parent
    path = folder.joinpath(*_FOLDERS)
    try:
        if any(one.is_symlink() for one in (path.parent, path)):
            return None
        key = _key(Path(git.root_of(folder) or os.path.realpath(folder)), environ)
    except (OSError, RuntimeError, ValueError):  # RuntimeError: nobody knows the user's home
        return None
    return None if key is None else CacheFolder(path, key)


def _key(project: Path, environ: Mapping[str, str]) -> bytes | None:
    """Return the user's own key, which is made where there is none; None where it may be another's."""
    home = environ.get("XDG_CACHE_HOME")
    path = Path(home) if home else Path.home() / ".cache"
    path = path / "zmig" / "lint-key"
    if not path.is_absolute() or Path(os.path.realpath(path)).is_relative_to(project):
        return None
    if not os.path.lexists(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_name(f".{os.urandom(8).hex()}.tmp")
        with os.fdopen(os.open(unfinished, _WRITE, 0o600), "wb") as file:
            file.write(os.urandom(_KEY_OCTETS))
        try:
            with suppress(FileExistsError):  # another lint was faster
                os.link(unfinished, path)
        finally:
            unfinished.unlink()
    key = _content(path, _KEY_OCTETS, is_private=True)
    return key if len(key) == _KEY_OCTETS else None


def _content(path: Path, most: int, *, is_private: bool = False) -> bytes:
    """Return what is in a file of the user's own, no link. Raises OSError."""
    descriptor = os.open(path, _READ)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        owner = getattr(os, "geteuid", lambda: status.st_uid)()
        is_open_to_others = is_private and os.name == "posix" and status.st_mode & 0o077
        if not stat.S_ISREG(status.st_mode) or status.st_uid != owner or is_open_to_others:
            raise PermissionError(path)
        return file.read(most + _KEY_OCTETS * 2 + 1)
