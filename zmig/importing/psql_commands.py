"""Scripts that psql ran: its commands and variables, written as SQL.

psql replaces variables and obeys commands before the server sees anything; this does the same, once. What a script sets
itself is put where it is used. What is set from outside becomes a reference, for a value that the manifest has. What
only prints is dropped, and what does more is refused, by place.
https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from posixpath import dirname, join, normpath
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import UsageError
from zmig.importing.traced import Edit, Origin, Traced
from zmig.other_tools.source import Change, Remark
from zmig.sql import lexer
from zmig.sql.lexer import Kind
from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zmig.other_tools.files import ProjectFiles

REFERENCE = "\0"
"""What is put for the `$` of a reference to a variable of the manifest: no text of a script holds a NUL."""

_NAME = r"[A-Za-z0-9_\x80-\U0010ffff]+"
_VARIABLE = LazyPattern(
    rf":(?:\{{\?(?P<test>{_NAME})\}}|(?P<raw>{_NAME})|'(?P<literal>{_NAME})'|\"(?P<name>{_NAME})\")"
)
_COMMAND = LazyPattern(r"\\([A-Za-z_]+|.?)")
_END_OF_ROWS = LazyPattern(r"^\\\.[ \t]*\r?$", re.MULTILINE)
_END_OF_LINE = LazyPattern(r"[\r\n]|\Z")
_BLANKS = LazyPattern(r"[ \t\f\v]*")
_PLAIN = LazyPattern(r"[^ \t\f\v\r\n'\"`\\:]+|:")
_SINGLE_QUOTED = LazyPattern(r"'((?:[^'\\\r\n]++|\\.|'')*+)'")
_ESCAPE = LazyPattern(r"''|\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)")
_CAT = LazyPattern(r"`[ \t]*cat[ \t]+([\w./-]+)[ \t]*`")
_SET = re.compile(rf"\\set[ \t]+({_NAME})")
_REFERENCE_NAME = LazyPattern(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "f": "\f"}

_PRINTS = frozenset(
    (
        *("C", "H", "T", "a", "conninfo", "copyright", "echo", "errverbose", "f", "h", "help", "html", "l", "list"),
        *("p", "print", "pset", "qecho", "sf", "sv", "t", "timing", "warn", "x", "z"),
    )
)
"""Commands that only print, or set how something is printed; so do those that begin with `d`, for describe."""
_WHOLE_LINE = frozenset({"!", "copy", "ef", "ev", "h", "help", "sf", "sv"})
"""Commands that take the rest of their line as it is."""
_INCLUDES = {"i": False, "include": False, "ir": True, "include_relative": True}
"""Commands that run another file, and whether its path is relative to the script."""
_OFF = frozenset({"", "0", "off", "of", "false", "f", "no", "n"})
_MUST_BE_ON = {"ON_ERROR_STOP": "errors would not end the script", "AUTOCOMMIT": "psql would begin transactions itself"}
_MUST_BE_OFF = {"ON_ERROR_ROLLBACK": "errors would be rolled back one by one", "SINGLELINE": "each line is a statement"}
_OF_PSQL = frozenset(
    (
        *("COMP_KEYWORD_CASE", "ECHO", "ECHO_HIDDEN", "FETCH_COUNT", "HIDE_TABLEAM", "HIDE_TOAST_COMPRESSION"),
        *("HISTCONTROL", "HISTFILE", "HISTSIZE", "IGNOREEOF", "PROMPT1", "PROMPT2", "PROMPT3", "QUIET"),
        *("SHOW_ALL_RESULTS", "SHOW_CONTEXT", "SINGLESTEP", "VERBOSITY"),
    )
)
"""Variables of psql's own that change nothing of what is run."""
_DEEPEST = 20
_LARGEST = 64 << 20
"""How many characters a script may have with all that it includes."""


class Converted(NamedTuple):
    """A script without psql in it."""

    text: Traced
    """With `REFERENCE` for the `$` of each reference."""
    remarks: tuple[Remark, ...]


def convert(origin: Origin, files: ProjectFiles, *, variables: Mapping[str, str | None], folder: str) -> Converted:
    r"""Return a script as psql sends it to the server.

    `variables` are set from outside; `folder` is where `\i` looks for what is not found from the project's own folder.
    """
    reader = _Reader(files, variables, folder)
    return Converted(reader.script(_Script(Traced.of(origin), origin.path)), tuple(reader.remarks))


class _Refused(Exception):
    """What cannot be carried over, in words."""


class _Unclosed(_Refused):
    """A quote that does not end in its line: psql says so, and goes on with the next."""


class _Script(NamedTuple):
    """A script, or one that another includes."""

    source: Traced
    path: str
    depth: int = 0


class _Reader:
    """Reads a script and those that it includes, which set variables for each other."""

    def __init__(self, files: ProjectFiles, variables: Mapping[str, str | None], folder: str) -> None:
        self._files = files
        self._outside = variables
        self._folder = folder
        self._inside: dict[str, str] = {}
        self._length = 0
        self._noted: set[str] = set()
        self.remarks: list[Remark] = []

    def script(self, within: _Script) -> Traced:
        """Return a script with its commands obeyed and its variables replaced."""
        source = within.source
        scanner, edits = _Scanner(source.text), list[Edit]()
        self._length += len(source.text)
        with suppress(lexer.UnterminatedError):  # whoever splits the script says where
            while (token := scanner.next()) is not None:
                if token.text == ":":
                    edit = self._variable(source, token.start, is_in_brackets=scanner.brackets > 0)
                elif (ended := _own_end(source.text, token.start)) is not None:
                    scanner.position, edit = ended, None
                else:
                    edit = self._command(within, token.start)
                if edit is not None:
                    edits.append(edit)
                    scanner.position = edit.end
        return source.edited(edits)

    def _variable(self, source: Traced, start: int, *, is_in_brackets: bool) -> Edit | None:
        """Return what becomes of a variable; None for what only looks like one."""
        match = _VARIABLE.match(source.text, start)
        if match is None:
            return None
        if match["test"]:
            is_set = match["test"] in self._inside or match["test"] in self._outside
            self._note(source, match.start(), Change.REWRITTEN, f"`{match[0]}` is `{str(is_set).upper()}`")
            return Edit(*match.span(), str(is_set).upper())
        name = match["raw"] or match["literal"] or match["name"]
        is_known = name in self._inside or name in self._outside
        if not is_known and match["raw"] and (is_in_brackets or name[0].isdigit()):
            return None  # such as in `a[1:n]`
        quote = "" if match["raw"] else "'" if match["literal"] else '"'
        return Edit(*match.span(), self._value(source, match, name, quote))

    def _value(self, source: Traced, match: re.Match[str], name: str, quote: str) -> str:
        """Return what is written for a variable: its value where the script sets it, else a reference."""
        value = self._inside.get(name)
        if value is not None:
            self._note(source, match.start(), Change.REWRITTEN, f"`{match[0]}` is the value that `\\set` gives it")
            return _quoted(value, quote)
        value = self._outside.get(name)
        if value is not None and _quoted(value, quote) != f"{quote}{value}{quote}":
            self._note(source, match.start(), Change.REWRITTEN, f"`{match[0]}` is the value that the project gives it")
            return _quoted(value, quote)
        if _REFERENCE_NAME.fullmatch(name) is None:
            self._note(source, match.start(), Change.REFUSED, f"`{match[0]}` has a name that no variable here may have")
            return match[0]
        written = f"{quote}${{{name}}}{quote}"
        self._note(source, match.start(), Change.REWRITTEN, f"`{match[0]}` is `{written}`, of the manifest's variables")
        return f"{quote}{REFERENCE}{{{name}}}{quote}"

    def _command(self, within: _Script, start: int) -> Edit:
        """Return what becomes of a command."""
        text = within.source.text
        name = _command_name(text, start)
        if name == ";":
            return Edit(start, start + 2, ";")
        try:
            arguments, end = self._arguments(text, start + 1 + len(name), name)
            return self._obey(within, start, end, name, arguments)
        except _Refused as refused:
            if name == "set":  # what follows is not to be taken for a variable from outside
                self._inside.update(dict.fromkeys(_SET.findall(text, start, _end_of_line(text, start)), ""))
            self._note(within.source, start, Change.REFUSED, f"`\\{name}` of psql {refused}", is_each=True)
            return _without(text, start, _end_of_line(text, start))

    def _obey(self, within: _Script, start: int, end: int, name: str, arguments: list[str]) -> Edit:
        text = within.source.text
        if name in _INCLUDES:
            return Edit(start, end, self._included(within, start, name, arguments))
        if name == "g" and not arguments:
            self._note(within.source, start, Change.REWRITTEN, "`\\g` of psql is a semicolon", is_each=True)
            return Edit(start, end, ";")
        if name == "set" and arguments:
            self._set(within.source, start, arguments)
        else:
            why = _why_dropped(name, arguments, text, end)
            self._note(within.source, start, Change.DROPPED, f"`\\{name}` of psql{why}", is_each=True)
        if name == "unset":
            self._inside.pop("".join(arguments[:1]), None)
        return _without(text, start, end)

    def _set(self, source: Traced, start: int, arguments: list[str]) -> None:
        name, value = arguments[0], "".join(arguments[1:])
        is_off = bool(arguments[1:]) and value.lower() in _OFF
        if (name in _MUST_BE_ON and is_off) or (name in _MUST_BE_OFF and not is_off):
            raise _Refused(f"sets `{name}`: {(_MUST_BE_ON | _MUST_BE_OFF)[name]}")
        if name in _MUST_BE_ON or name in _MUST_BE_OFF or name in _OF_PSQL:
            self._note(source, start, Change.DROPPED, f"`\\set {name}` of psql", is_each=True)
            return
        if REFERENCE in value:
            raise _Refused("makes a variable of another one that the project does not set")
        self._inside[name] = value
        self._note(source, start, Change.REWRITTEN, f"`\\set {name}`: its value is put where it is used", is_each=True)

    def _included(self, within: _Script, start: int, name: str, arguments: list[str]) -> Traced:
        if len(arguments) != 1:
            raise _Refused("names no file")
        if REFERENCE in arguments[0]:
            raise _Refused("names a file by a variable that the project does not set")
        found = self._find(arguments[0], within.path, is_relative=_INCLUDES[name])
        if found is None:
            raise _Refused(f"includes `{arguments[0]}`, which is not in the project")
        if within.depth >= _DEEPEST or self._length > _LARGEST:
            raise _Refused("includes without end")
        try:
            origin = Origin(found, self._files.text(found))
        except UsageError as error:
            raise _Refused(f"includes what cannot be read: {error.problems[0].message}") from None
        self._note(within.source, start, Change.REWRITTEN, f"`\\{name}`: `{found}` is put in its place", is_each=True)
        return self.script(_Script(Traced.of(origin), found, within.depth + 1))

    def _find(self, name: str, path: str, *, is_relative: bool) -> str | None:
        """Return the file of the project that is included; None where there is none."""
        folders = [dirname(path)] if is_relative else [".", self._folder]
        paths = self._files.paths
        for folder in folders:
            found = normpath(join(folder, name))
            if found in paths:
                return found
        return None

    def _arguments(self, text: str, start: int, name: str) -> tuple[list[str], int]:
        """Return what follows a command, and where the next thing begins."""
        if name in _WHOLE_LINE:
            end = _end_of_line(text, start)
            return [text[start:end].strip()], end
        arguments: list[str] = []
        position = _end_of(_BLANKS, text, start)
        while position < len(text) and text[position] not in "\r\n\\":
            try:
                argument, position = self._argument(text, position)
            except _Unclosed:
                if not _prints(name):
                    raise
                return arguments, _end_of_line(text, position)
            arguments.append(argument)
            position = _end_of(_BLANKS, text, position)
        if text.startswith("\\\\", position):  # what only ends the arguments
            position += 2
        return arguments, position

    def _argument(self, text: str, position: int) -> tuple[str, int]:
        parts: list[str] = []
        while position < len(text) and text[position] not in " \t\f\v\r\n\\":
            if text[position] == "`":
                value, position = self._output(text, position)
                parts.append(value)
                continue
            variable = _VARIABLE.match(text, position)
            quoted = _SINGLE_QUOTED.match(text, position)
            if variable is not None and not variable["test"]:
                parts.append(self._argument_value(variable))
                position = variable.end()
            elif quoted is not None:
                parts.append(_unescaped(quoted[1]))
                position = quoted.end()
            elif text[position] in "'\"":
                end = text.find('"', position + 1) if text[position] == '"' else -1
                if end < 0 or end >= _end_of_line(text, position):
                    raise _Unclosed("has a quote that is not closed in its line")
                parts.append(text[position : end + 1])
                position = end + 1
            else:
                end = max(_end_of(_PLAIN, text, position), position + 1)
                parts.append(text[position:end])
                position = end
        return "".join(parts), position

    def _output(self, text: str, start: int) -> tuple[str, int]:
        """Return what a command of the shell prints, where it only shows a file, and where it ends."""
        shows = _CAT.match(text, start)
        found = None if shows is None else self._find(shows[1], "", is_relative=False)
        if shows is None or found is None:
            raise _Refused("runs a command of the shell")
        try:
            return self._files.text(found).removesuffix("\n"), shows.end()
        except UsageError as error:
            raise _Refused(f"shows what cannot be read: {error.problems[0].message}") from None

    def _argument_value(self, variable: re.Match[str]) -> str:
        name = variable["raw"] or variable["literal"] or variable["name"]
        value = self._inside.get(name, self._outside.get(name))
        if value is None:
            return variable[0] if name not in self._outside else f"{REFERENCE}{{{name}}}"
        return _quoted(value, "" if variable["raw"] else "'" if variable["literal"] else '"')

    def _note(self, source: Traced, start: int, change: Change, text: str, *, is_each: bool = False) -> None:
        """Remark something: each time, or only where it is the first of its kind."""
        if is_each or text not in self._noted:
            self._noted.add(text)
            self.remarks.append(Remark(change, text, source.location(start)))


class _Scanner:
    """Finds backslashes and colons that are in no string, no comment and no rows of COPY."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.brackets = 0
        """How many are open."""
        self._first = self._before = ""
        self._reads_rows = False

    def next(self) -> lexer.Token | None:
        """Return the next one; `position` is after it, and may be moved on. None at the end."""
        while True:
            for token in lexer.tokens(self.text, self.position):
                self.position = token.end
                if token.kind is Kind.SYMBOL and (token.text == "\\" or (token.text == ":" and self._is_alone(token))):
                    return token
                if self._ends_with_rows(token):
                    break
            else:
                return None

    def forget(self) -> None:
        """Begin anew: what comes next is the first word of a statement."""
        self._first = self._before = ""
        self._reads_rows = False

    def _is_alone(self, colon: lexer.Token) -> bool:
        around = self.text[max(colon.start - 1, 0) : colon.start] + self.text[colon.end : colon.end + 1]
        return ":" not in around and not around.endswith("=")

    def _ends_with_rows(self, token: lexer.Token) -> bool:
        """Take note of a token; return whether rows followed it, which are passed over."""
        if token.text == ";":
            reads_rows = self._reads_rows
            self.forget()
            if reads_rows:
                rows = _END_OF_ROWS.search(self.text, token.end)
                self.position = rows.end() if rows is not None else len(self.text)
            return reads_rows
        if token.text in ("[", "]"):
            self.brackets = max(self.brackets + (1 if token.text == "[" else -1), 0)
        self._first = self._first or token.text
        if self._first == "copy" and self._before == "from" and token.text in ("stdin", "stdout"):
            self._reads_rows = True
        self._before = token.text
        return False


def _why_dropped(name: str, arguments: list[str], text: str, end: int) -> str:
    """Return why a command may be left away. Raises _Refused for one that may not."""
    if name in ("q", "quit"):
        if next(lexer.tokens(text, end), None) is not None:
            raise _Refused("ends the script here, and more follows")
        return ", at the end"
    if name == "encoding":
        if [one.lower().replace("-", "") for one in arguments] not in (["utf8"], ["unicode"], []):
            raise _Refused("sets another encoding than UTF-8")
        return ": files are UTF-8"
    if _prints(name) or name in ("set", "unset"):
        return "" if name == "unset" else ", which only prints"
    raise _Refused("does what no SQL does")


def _prints(name: str) -> bool:
    return name in _PRINTS or name.startswith("d")


def _command_name(text: str, start: int) -> str:
    match = _COMMAND.match(text, start)
    return "" if match is None else match[1]


def _own_end(text: str, start: int) -> int | None:
    """Return where a command ends that zmig knows as well as psql; None for any other."""
    name = _command_name(text, start)
    if name in ("restrict", "unrestrict"):
        return _end_of_line(text, start)
    return start + 2 if name == "." else None


def _without(text: str, start: int, end: int) -> Edit:
    """Return what takes a command out, with its line where that has nothing else."""
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    is_alone = not text[line_start:start].strip() and not text[end : _end_of_line(text, end)].strip()
    next_line = text.find("\n", end)
    return Edit(line_start, next_line + 1) if is_alone and next_line >= 0 else Edit(start, end)


def _end_of_line(text: str, start: int) -> int:
    match = _END_OF_LINE.search(text, start)
    return len(text) if match is None else match.start()


def _end_of(pattern: LazyPattern, text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


def _unescaped(text: str) -> str:
    """Return what is in single quotes of psql's, which knows escapes of C."""

    def meant(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            return "'"
        if code[0] in "01234567":
            return chr(int(code, 8))
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(meant, text)


def _quoted(value: str, quote: str) -> str:
    """Return a value as psql writes it: as it is, as a constant, or as a name."""
    if not quote:
        return value
    written = quote + value.replace(quote, quote * 2) + quote
    if quote != "'" or "\\" not in value:
        return written
    return f" E{written.replace(chr(92), chr(92) * 2)}"  # with a blank before it, as libpq writes it
