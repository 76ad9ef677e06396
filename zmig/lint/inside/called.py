"""The code of functions that migrations before have made: its statements, each at the place of what runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint import sql_file
from zmig.lint.inside import code, constants, plpgsql
from zmig.lint.inside.part import Part
from zmig.lint.sql_file import Span
from zmig.valueclass import replace

if TYPE_CHECKING:
    from zmig.lint.replay.objects import Function
    from zmig.lint.sql_file import FileStatement


def statements(function: Function, caller: FileStatement, how: str) -> list[tuple[FileStatement, Part]]:
    """Return what a function runs, in order; `how` says what leads from the caller to it, before `runs`."""
    body = function.body or ""
    if function.language == "plpgsql":
        parts = plpgsql.parts(body, 0, len(body))
    elif function.language == "sql":
        parts = [Part(0, body)]
    else:
        return []
    span = (caller.start, caller.end)
    # Where a function has a search path of its own, nobody knows here what names without a schema mean in it.
    path = (f"\0{function.name.name}",) if "search_path" in function.settings else caller.path
    found: list[tuple[FileStatement, Part]] = []
    for part in parts:
        for one in moved(part.text, span):
            raw, facts = replace(one.raw, line=caller.line), (*caller.facts, f"{how} runs `{one.raw.summary}`")
            found.append((replace(one, raw=raw, facts=facts, path=path, is_utc=caller.is_utc), part))
    return found


def within_do(host: FileStatement) -> list[tuple[FileStatement, Part]]:
    """Return what a DO block runs whose code is not at its place in a file, such as one within another's EXECUTE."""
    found = code.body_of(host)
    text = None if found is None or found[0] != "plpgsql" else constants.value((found[1],))
    if text is None:
        return []
    span = (host.start, host.end)
    path = host.path
    return [
        (replace(one, raw=replace(one.raw, line=host.line), path=path, is_utc=host.is_utc), part)
        for part in plpgsql.parts(text, 0, len(text))
        for one in moved(part.text, span)
    ]


def moved(text: str, span: tuple[int, int]) -> list[FileStatement]:
    """Return the statements of a text that is nowhere in a file, as if each were at a place of it."""
    read = sql_file.read(text, path="")
    if read.problems:
        return []
    return [
        replace(one, raw=replace(one.raw, offset=span[0]), shown=Span(*span), facts=(f"it runs `{one.raw.summary}`",))
        for one in read.statements
    ]
