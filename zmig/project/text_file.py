"""Text files as zmig takes them: UTF-8 without NUL characters, a byte order mark dropped.

Every function raises ManifestError, with the place in the file where there is one. Nothing is opened that could
block or never end: a folder, a pipe or a device is refused. Only `read` holds a large file as a whole.
"""

from __future__ import annotations

import os
import re
import stat
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from hashlib import sha256
from typing import TYPE_CHECKING

from zmig.errors import Location, ManifestError, Problem
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from mmap import mmap
    from pathlib import Path

_CHUNK = 1 << 20
_LINE_END = re.compile(rb"\r\n|\r|\n")
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def read(path: Path) -> str:
    """Return the whole text, its line ends as they are."""
    return "".join(pieces(path))


def read_small(path: Path) -> str | None:
    """Return the whole text of a file that makes one piece, in a third of the time; None of any other."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ManifestError(_no_file(path, status.st_mode))
            content = os.read(descriptor, _CHUNK if status.st_size >= _CHUNK else status.st_size + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise ManifestError(_unreadable(path, error)) from None
    if len(content) != status.st_size or len(content) == _CHUNK or b"\0" in content:
        return None
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


def size(path: Path) -> int:
    """Return how many bytes the file has."""
    return _status(path).st_size


def pieces(path: Path) -> Iterator[str]:
    """Yield the text in pieces of at most a million characters, its line ends as they are."""
    for text, _ in _decoded(path):
        yield text


def octet_pieces(path: Path) -> Iterator[bytes]:
    """Yield the same in UTF-8, after the same checks."""
    is_first = True
    for _, chunk in _decoded(path):
        yield chunk.removeprefix(BOM_UTF8) if is_first else chunk
        is_first = False


def _decoded(path: Path) -> Iterator[tuple[str, bytes]]:
    decoder = getincrementaldecoder("utf-8")()
    offset = 0
    for chunk in _chunks(path):
        held = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk)
        except UnicodeDecodeError as error:
            raise ManifestError(_not_utf8(path, offset - held + error.start)) from None
        if (found := chunk.find(b"\0")) >= 0:
            raise ManifestError(_nul(path, offset + found))
        yield text.removeprefix("\ufeff") if offset == 0 else text, chunk
        offset += len(chunk)
    if held := len(decoder.getstate()[0]):
        raise ManifestError(_not_utf8(path, offset - held))


class Checksum:
    """The sha256 of a text that comes in pieces; one text has one, whatever its line ends."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._held = b""

    def add(self, piece: bytes) -> None:
        """Let the next piece count, in UTF-8; a CRLF may be torn between two of them."""
        text = self._held + piece
        self._held = b""
        if b"\r" in text:
            self._held = b"\r" if text.endswith(b"\r") else b""
            text = text.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._digest.update(text)

    def __str__(self) -> str:
        """In hex, once all pieces are added."""
        whole = self._digest.copy()
        whole.update(b"\n" if self._held else b"")
        return whole.hexdigest()


def checksum_of(text: str) -> str:
    """Return the sha256, in hex, of a text; one text has one, whatever its line ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return sha256(text.encode()).hexdigest()


def check(path: Path) -> None:
    """Raise ManifestError if there is no file at `path`; its text is not looked at."""
    _status(path)


def led_nowhere(path: Path, problem: Problem) -> Problem | None:
    """Return a problem with what a symbolic link leads to where nothing is there; None for any other path."""
    try:
        if not path.is_symlink() or path.exists():
            return None
        read = os.readlink(path)  # noqa: PTH115 -- as it is written
    except (OSError, ValueError):
        return None
    target = os.path.join(path.parent, read).removeprefix("./")  # noqa: PTH118 -- as it is written
    facts = (*problem.facts, f"it leads to `{target}`")
    return replace(problem, facts=facts, hint=f"create `{target}`, or lead the link elsewhere")


def _status(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise ManifestError(_unreadable(path, error)) from None
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(_no_file(path, status.st_mode))
    return status


def _chunks(path: Path) -> Generator[bytes]:
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except (OSError, ValueError) as error:
        raise ManifestError(_unreadable(path, error)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ManifestError(_no_file(path, status.st_mode))
        size = min(status.st_size + 1, _CHUNK)
        while chunk := os.read(descriptor, size):
            if not status.st_size:
                raise ManifestError(_of_no_size(path))
            yield chunk
            if len(chunk) < size:
                break
    except OSError as error:
        raise ManifestError(_unreadable(path, error)) from None
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: Exception) -> Problem:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Problem("file-missing", f"`{path}` does not exist", hint=f"create `{path}`")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem("file-unreadable", f"`{path}` cannot be read: {reason.lower()}", hint=f"run `ls -ld {path}`")


def _no_file(path: Path, mode: int) -> Problem:
    what = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
    return Problem("file-unreadable", f"`{path}` is {what}, not a file", hint="name a file")


_OTHER_FORMS = (
    (b"\x1f\x8b", "is compressed with gzip", "gunzip -c {} > NEW"),
    (b"BZh", "is compressed with bzip2", "bunzip2 -c {} > NEW"),
    (b"\xfd7zXZ\0", "is compressed with xz", "xz -dc {} > NEW"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd", "zstd -dc {} > NEW"),
    (b"PK\x03\x04", "is a ZIP archive", "unzip -p {} > NEW"),
    (b"PGDMP", "is an archive of pg_dump", "pg_restore -f NEW {}"),
)
"""How files begin that hold SQL in another form, and what makes text of each."""

_LANGUAGES = {".yaml": "YAML", ".yml": "YAML", ".json": "JSON", ".py": "Python"}


def _other_form(path: Path, data: mmap) -> Problem | None:
    for beginning, what, command in _OTHER_FORMS:
        if data[: len(beginning)] == beginning:
            language = _LANGUAGES.get(path.suffix.lower(), "SQL")
            hint = f"make {language} of it with `{command.format(path)}`, and name that file"
            return Problem("file-not-text", f"`{path}` {what}, so it is not text", hint=hint)
    return None


def _of_no_size(path: Path) -> Problem:
    message = f"`{path}` is no ordinary file: it says that it is empty, and is not"
    return Problem("file-unreadable", message, hint="name a file")


def _not_utf8(path: Path, offset: int) -> Problem:
    with _mapped(path) as data:
        other = _other_form(path, data)
        if other is not None:
            return other
        encoding = "UTF-16" if data[:2] in (BOM_UTF16_BE, BOM_UTF16_LE) else "LATIN1"
        return Problem(
            "file-not-utf8",
            f"`{path}` is not UTF-8: byte 0x{data[offset]:02X} at offset {offset:,}",
            _location(path, data, offset),
            hint=f"save it as UTF-8, for example with `iconv -f {encoding} -t UTF-8 -o NEW {path}`",
        )


def _nul(path: Path, offset: int) -> Problem:
    with _mapped(path) as data:
        other = _other_form(path, data)
        if other is not None:
            return other
        return Problem(
            "file-not-text",
            f"`{path}` holds a NUL character, at offset {offset:,}",
            _location(path, data, offset),
            hint="remove the character: PostgreSQL would take it for the end of the text",
        )


def _mapped(path: Path) -> mmap:
    from mmap import ACCESS_READ, mmap

    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _location(path: Path, data: mmap, offset: int) -> Location:
    """Return the place of a byte; columns count characters, a byte order mark is none."""
    line, start = 1, len(BOM_UTF8) if data[: len(BOM_UTF8)] == BOM_UTF8 else 0
    for match in _LINE_END.finditer(data, start, offset):
        line, start = line + 1, match.end()
    end = _LINE_END.search(data, offset)
    text = data[start : len(data) if end is None else end.start()].decode(errors="replace")
    column = len(data[start:offset].decode(errors="replace")) + 1
    return Location(str(path), line, column, text=text)


def check_unchanged(file: Path, text: str, checksum: str | None) -> str:
    """Make sure that a file still is what the plan was made from; return its checksum.

    Raises:
        ManifestError: it was edited meanwhile.
    """
    found = checksum_of(text)
    if checksum is not None and found != checksum:
        raise ManifestError(edited(file))
    return found


def edited(file: Path) -> Problem:
    """Return the problem of a file that is no longer what a plan was made from."""
    return Problem(
        "file-changed",
        f"`{file}` was edited while its migration was planned",
        Location(str(file)),
        effect="nothing was run",
        hint="run the command again",
    )
