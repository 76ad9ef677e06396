"""What a YAML parser objects to, in words a person can act on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from zmig.errors import Problem
from zmig.text import merge_conflict

if TYPE_CHECKING:
    from zmig.text.places import Source

_UNREADABLE = r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"


class _Fault(NamedTuple):
    words: str
    """A pattern that is found in the parser's own words, of the C and of the Python parser."""
    message: str
    hint: str
    at_opening: bool = False
    """Whether the place to mend is where the unfinished thing begins, not where the parser gave up."""


DEPTH_LIMIT = 50
"""How deep lists and mappings may be nested."""
TOO_DEEP = _Fault("nesting", f"lists and mappings are nested more than {DEPTH_LIMIT} deep", "flatten them")
"""Some versions of libyaml refuse what is nested much deeper by themselves, before the parser is asked for it."""

_FAULTS = (
    TOO_DEEP,
    _Fault(
        "end of stream|document (indicator|separator)", "a quote is never closed", "close the quote", at_opening=True
    ),
    _Fault(
        r"',' or '\]'",
        "a list in `[...]` is not closed",
        "write `,` between its items and `]` at its end",
        at_opening=True,
    ),
    _Fault(
        r"',' or '\}'",
        "a mapping in `{...}` is not closed",
        "write `,` between its keys and `}` at its end",
        at_opening=True,
    ),
    _Fault("expected ':'", "a line has no `:` after its key", "write `key: value`", at_opening=True),
    _Fault(
        "mapping values",
        "a `:` is where no value may begin",
        "indent the line like the one above, or put quotes around a value that holds a `:`",
    ),
    _Fault("sequence entries", "a list item begins on the line of its key", "put the `- ` on the next line"),
    _Fault(
        "cannot start any token", "a value begins with a character that YAML reserves", "put quotes around the value"
    ),
    _Fault("escape|hex", "a `\\` in double quotes begins an unknown escape sequence", "use single quotes"),
    _Fault("node content", "a value is missing", "write a value, or put quotes around this character"),
    _Fault("alphabetic or numeric", "`&` and `*` name anchors and aliases", "put quotes around the value"),
    _Fault("line break|chomping", "text comes after `|` or `>`", "begin the text on the next line"),
    _Fault(
        "key|block end|'-' indicator",
        "a line does not fit the lines above it",
        "indent it like the other lines of its list or mapping",
    ),
    _Fault("document start", "text comes after the end of the document", "remove the line `...`"),
    _Fault("directive|YAML document", "a `%` line is not understood", "remove the line"),
    _Fault("tag|'>'", "`!` begins a tag", "put quotes around the value"),
)
_LONGEST_LOOKED_AT = 1000
_BARE_VARIABLE = _Fault("", "`${...}` needs quotes inside `{...}` and `[...]`", 'write `"${NAME}"`')
_UNKNOWN = _Fault("", "the text is not YAML", "put quotes around the value")
_TAB = _Fault("", "a tab is where YAML takes spaces only", "replace the tab with spaces")


def explain(error: Exception, source: Source) -> Problem:
    """Return the problem of a text that PyYAML refused with `error`."""
    conflict = merge_conflict.find(source.text)
    if conflict is not None:
        message = f"`{source.label}` holds a conflict that git could not merge"
        return Problem("file-conflict", message, source.location(conflict), hint=merge_conflict.HINT)
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # the parser got no further than to a character
        match = re.search(_UNREADABLE, source.text)
        offset = 0 if match is None else match.start()
        character = source.text[offset : offset + 1]
        message = f"the character U+{ord(character or ' '):04X} is not allowed in YAML"
        return Problem("manifest-syntax", message, source.location(offset), hint="remove the character")
    offset = mark.index
    words = str(getattr(error, "problem", ""))
    fault = _fault(words, offset, source)
    opening = getattr(error, "context_mark", None)
    if fault.at_opening and opening is not None:
        offset = opening.index
    return Problem("manifest-syntax", fault.message, source.location(offset), hint=fault.hint)


def _fault(words: str, offset: int, source: Source) -> _Fault:
    """Return what the parser means: its words alone are misleading for a tab and for a bare `${...}` in brackets."""
    if source.text[offset : offset + 1] == "\t":
        return _TAB
    line, _ = source.line_and_column(offset)
    if re.search(r"[\[{].*(?<!['\"])\$\{", source.line_text(line)[:_LONGEST_LOOKED_AT]):
        return _BARE_VARIABLE
    return next((fault for fault in _FAULTS if re.search(fault.words, words)), _UNKNOWN)
