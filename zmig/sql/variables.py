"""`${name}` in an SQL file: replaced by the manifest's `variables`, wherever it is.

Strings, comments and the bodies of functions are no exception, so that what is replaced can be seen without knowing
SQL. `$${name}` stands for the text `${name}` itself; after another `$`, as in `$$${name}`, the first two are a quote.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from zmig.errors import ManifestError, Problem
from zmig.sql import script
from zmig.text.nearest import nearest
from zmig.text.substitution import Part, Substitution, substitute
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.errors import Location

REFERENCE = re.compile(
    # After another `$`, two of them are a dollar quote, and what follows is no reference that is escaped.
    r"(?<!\$)\$(?P<escape>\$\{[A-Za-z_][A-Za-z0-9_]*\})|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{"
)
"""What is replaced: a reference by `name`, an `escape` by what it stands for; a `${` that is neither is an error."""

_SHORTEST_VALUE = 3

_MOST_REPORTED = 100
"""How many faults of one file are reported: each is looked for from the file's beginning."""


def fill(source: str, values: Mapping[str, str], *, path: str) -> Substitution:
    """Return a file's text with every reference replaced; `path` is what problems call the file.

    Raises:
        ManifestError: with the first references that have no value, and the first `${` that are no reference.
    """
    problems = tuple(islice(_problems(source, values, path), _MOST_REPORTED))
    if problems:
        raise ManifestError(*problems)
    references = REFERENCE.finditer(source)
    return substitute(source, (Part(*one.span(), one["escape"] or values[one["name"]]) for one in references))


def names(source: str) -> frozenset[str]:
    """Return the variables that a text refers to."""
    return frozenset(reference["name"] for reference in REFERENCE.finditer(source) if reference["name"])


def by_name(text: str, source: str, values: Mapping[str, str]) -> str:
    """Return a text with the values of a file's references replaced by those references again.

    A value of one or two characters stays: it would be found in any text.
    """
    used = {values[name]: name for name in sorted(names(source)) if len(values.get(name, "")) >= _SHORTEST_VALUE}
    if not used:
        return text
    longest_first = sorted(used, key=lambda value: (-len(value), value))
    pattern = "|".join(rf"(?<!\w){re.escape(value)}(?!\w)" for value in longest_first)
    return re.sub(pattern, lambda found: f"${{{used[found[0]]}}}", text)


def location(filled: Substitution, offset: int, *, path: str) -> Location:
    """Return the place in the file, as it is written, of what is at `offset` (0-based) of the filled text."""
    return script.location(filled.source, filled.source_offset(offset), path=path)


def as_written(problem: Problem, filled: Substitution) -> Problem:
    """Return a problem of a filled text as one of the file as it is written."""
    place = problem.location
    if place is None:
        return problem
    offset = script.offset_of(filled.text, place.line, place.column)
    return replace(problem, location=location(filled, offset, path=place.path))


def _problems(source: str, values: Mapping[str, str], path: str) -> Iterator[Problem]:
    known = (f"variables: {', '.join(sorted(values))}",) if values else ()
    for reference in REFERENCE.finditer(source):
        name = reference["name"]
        if reference["escape"] or name in values:
            continue
        place, effect = script.location(source, reference.start(), path=path), "nothing was run"
        if name:
            near = nearest(name, values)
            hint = f"write `${{{near}}}`" if near else f"add `{name}: ...` to `variables` in the manifest"
            message = f"the manifest has no variable `{name}`"
            yield Problem("variable-undefined", message, place, facts=known, effect=effect, hint=hint)
        else:
            message = "`${` begins no reference to a variable: a name and `}` must follow"
            hint = "write `${name}`; where a dollar quote begins with `{`, put a blank or a line end between the two"
            yield Problem("variable-invalid", message, place, effect=effect, hint=hint)
