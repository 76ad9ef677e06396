"""From a manifest's entry to a `Migration`: its file opened and checksummed, its Python looked through, never run."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import ManifestError, Problem
from zmig.manifest import variables
from zmig.model import Kind, Language, Migration, Repeat, RepeatRule
from zmig.project import text_file
from zmig.text.lazy_pattern import LazyPattern
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zmig.errors import Location
    from zmig.manifest.declaration import Declaration
    from zmig.model import VerifyQuery

_BLANK = LazyPattern(r"(?:[\s;]++|--[^\r\n]*+)*+")
_WORDS = {"file": "a file", "rollback": "a rollback file", "verify": "a verify file"}
_MOST_SEARCHES = 20
"""How many missing files are given a nearest name; comparing thousands of names takes a second for each."""


def shown(path: str | Path) -> Path:
    """Return `path` relative to the working directory where that is shorter, else as an absolute path."""
    absolute = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow symbolic links
    try:
        relative = os.path.relpath(absolute)
    except (ValueError, FileNotFoundError):  # from another drive, on Windows; from a folder that was removed
        return Path(absolute)
    return Path(min(relative, absolute, key=len))


def nearest_file(path: Path, *, besides: Collection[str] = (), may_undo: bool = True) -> str | None:
    """Return the name in the folder of `path` that is most like its own, None where none is; not one of `besides`.

    Unless it `may_undo` another, a file that is called as one that does is not meant.
    """
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.name not in besides and entry.exists()]
    except OSError:
        return None
    return nearest(path.name, [name for name in names if may_undo or not undoes(name)], cutoff=0.7)


def undoes(name: str) -> bool:
    """Whether a file is called as one that undoes another."""
    return any(part in ("rollback", "down", "undo", "revert") for part in name.lower().split("."))


class Contents(NamedTuple):
    """What is kept of a file."""

    path: Path
    checksum: str
    names: frozenset[str]
    """What a Python file offers at its top level; empty for SQL."""


class Folder:
    """The folder of a manifest, which the paths in it are relative to."""

    def __init__(self, path: Path) -> None:
        self._real = os.path.realpath(path)
        self._parents: dict[str, Path] = {}
        self._searches = 0
        self._declarations: Sequence[Declaration] = ()

    def declare(self, declarations: Sequence[Declaration]) -> None:
        """Let it know the manifest's entries: the files that they name are not offered for one that is missing."""
        self._declarations = declarations

    def path(self, text: str) -> Path:
        """Return the path that `text` means, fit to be shown and to be opened."""
        parent, slash, name = text.rpartition("/")
        folder = self._parents.get(parent)
        if folder is None:
            joined = f"{Path(self._real, parent + slash)}"
            # A `..` after a name is not folded away: where that name is a symbolic link, it leads elsewhere.
            is_foldable = ".." not in parent.lstrip("./").split("/")
            folder = self._parents[parent] = shown(joined) if is_foldable else Path(joined)
        return folder / name

    def migration(self, declaration: Declaration, problems: list[Problem]) -> Migration | None:
        """Return the migration that an entry declares.

        Where the entry or its files are faulty, returns None and adds what is wrong with the files to `problems`.
        """
        rollback = None if declaration.rollback is None else self._rollback(declaration, problems)
        verify = None if declaration.verify is None else self._verify(declaration, declaration.verify, problems)
        contents = self._contents(declaration, problems)
        kind, language, name = declaration.effective_kind, declaration.language, declaration.name
        version = declaration.version
        if not (contents and kind and language and name and version):
            return None
        repeat = declaration.repeat if kind is Kind.REPEATABLE else None
        if kind is Kind.REPEATABLE and repeat is None:
            repeat = Repeat(RepeatRule.CODE if "should_repeat" in contents.names else RepeatRule.CHECKSUM)
        return Migration(
            version,
            name,
            kind,
            language,
            file=contents.path,
            checksum=contents.checksum,
            rollback_file=rollback,
            has_code_rollback="rollback" in contents.names,
            repeat=repeat,
            transaction=declaration.transaction,
            settings=declaration.settings,
            description=declaration.description,
            locate=declaration.locate,
            batch=declaration.batch,
            replaces=declaration.replaces,
            verify=verify,
            is_empty=declaration.is_empty,
            origin=declaration.origin,
        )

    def _rollback(self, declaration: Declaration, problems: list[Problem]) -> Path | None:
        if declaration.rollback is None or declaration.rollback == declaration.file:
            return None
        path = self.path(declaration.rollback)
        try:
            text_file.check(path)
        except ManifestError as error:
            problems += (self._reported(problem, declaration, "rollback", path) for problem in error.problems)
        return path

    def _verify(self, declaration: Declaration, verify: VerifyQuery, problems: list[Problem]) -> VerifyQuery:
        if verify.file is None:
            return verify
        path = self.path(str(verify.file))
        try:
            text_file.check(path)
        except ManifestError as error:
            problems += (self._reported(problem, declaration, "verify", path) for problem in error.problems)
        return replace(verify, file=path)

    def _contents(self, declaration: Declaration, problems: list[Problem]) -> Contents | None:
        if declaration.file is None or declaration.language is None:
            return None
        path = self.path(declaration.file)
        try:
            if declaration.language is Language.PYTHON:
                return _python(path)
            return _empty_sql(path) if declaration.is_empty else _sql(path)
        except ManifestError as error:
            problems += (self._reported(problem, declaration, "file", path) for problem in error.problems)
            return None

    def _reported(self, problem: Problem, declaration: Declaration, key: str, path: Path) -> Problem:
        """Return a file's problem as one of the entry that names the file."""
        if problem.code == "file-missing":
            return self._missing(declaration, key, path)
        place = declaration.location(key)
        if problem.location is None:
            return replace(problem, location=place)
        return replace(problem, facts=(*problem.facts, f"declared at {place}"))

    def _missing(self, declaration: Declaration, key: str, path: Path) -> Problem:
        written = declaration.text(key)
        text = declaration.verify.file if key == "verify" and declaration.verify else getattr(declaration, key)
        name = str(path) if written == str(text) else written
        message = f"{declaration.subject} names {_WORDS[key]} that is a link to nothing: `{name}`"
        link = Problem("file-missing", message, declaration.location(key))
        if (led := text_file.led_nowhere(path, link)) is not None:
            return led
        message = f"{declaration.subject} names {_WORDS[key]} that does not exist: `{name}`"
        facts, hint = self._instead(path, "file" if key == "verify" else key, written)
        return Problem("file-missing", message, declaration.location(key), facts=facts, hint=hint)

    def _instead(self, path: Path, key: str, written: str) -> tuple[tuple[str, ...], str]:
        """Return what is there in place of a missing file, and what to write."""
        self._searches += 1
        near = None
        if self._searches <= _MOST_SEARCHES and not variables.occur(written):
            texts = (text or "" for one in self._declarations for text in (one.file, one.rollback))
            taken = {text.rpartition("/")[2] for text in texts} - {path.name}
            near = nearest_file(path, besides=taken, may_undo=key == "rollback")
        if near is not None:
            return (f"nearest file: {path.parent / near}",), f"write `{key}: {written.removesuffix(path.name)}{near}`"
        hint = f"create the file, or correct `{key}: {written}`"
        return (() if path.parent.is_dir() else (f"there is no folder `{path.parent}`",)), hint


def is_blank(sql: str, *, is_cut: bool = False) -> bool:
    """Return whether SQL text holds nothing but comments, blanks and semicolons; of a cut text, whether it may."""
    if sql.lstrip()[:1] not in ("", ";", "-", "/"):
        return False
    match = _BLANK.match(sql)
    end = 0 if match is None else match.end()
    if end == len(sql):
        return True
    if not sql.startswith("/*", end):
        return False
    from zmig.sql import lexer

    try:
        return all(token.text == ";" for token in lexer.tokens(sql, end))
    except lexer.UnterminatedError:
        return is_cut


def _sql(path: Path) -> Contents:
    text = text_file.read_small(path)
    if text is None:
        return _large_sql(path)
    if is_blank(text):
        raise ManifestError(_empty(path))
    return Contents(path, text_file.checksum_of(text), frozenset())


def _large_sql(path: Path) -> Contents:
    pieces = text_file.octet_pieces(path)
    checksum = text_file.Checksum()
    first = next(pieces, b"")
    text = first.decode(errors="ignore")
    # A piece may end in half of what opens a comment.
    if is_blank(text, is_cut=True) or is_blank(text[:-1], is_cut=True):
        first += b"".join(pieces)
        if is_blank(first.decode()):
            raise ManifestError(_empty(path))
    for piece in chain((first,), pieces):
        checksum.add(piece)
    return Contents(path, str(checksum), frozenset())


def _empty(path: Path) -> Problem:
    return Problem("file-empty", f"`{path}` holds no statement", hint="write the migration's statements into it")


def _first_place(text: str, path: Path) -> Location:
    from zmig.sql import lexer, script

    try:
        offset = next(token.start for token in lexer.tokens(text) if token.text != ";")
    except lexer.UnterminatedError as error:
        offset = error.offset
    return script.location(text, offset, path=str(path))


def _empty_sql(path: Path) -> Contents:
    """Return a file that has to be without a statement."""
    text = text_file.read(path)
    if not is_blank(text):
        message = f"`{path}` holds a statement, and its entry says `empty: true`"
        hint = "remove `empty: true` from its entry"
        raise ManifestError(Problem("file-not-empty", message, _first_place(text, path), hint=hint))
    return Contents(path, text_file.checksum_of(text), frozenset())


def _python(path: Path) -> Contents:
    from zmig.project import python_source

    text = text_file.read(path)
    return Contents(path, text_file.checksum_of(text), python_source.offered(text, path=str(path)))
