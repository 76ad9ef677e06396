"""`${name}` in what is converted: those that the manifest fills in, and those that have to stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.importing.psql_commands import REFERENCE
from zmig.importing.traced import Edit
from zmig.other_tools.source import Change, Remark
from zmig.sql import variables
from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zmig.importing.traced import Traced

_OWN = LazyPattern(rf"{REFERENCE}\{{(\w+)\}}")
_FITTING = LazyPattern(r"[^\x00-\x1f\x7f]+")
"""What a value in a manifest may be."""
_SAMPLE = "x"


def of_psql(text: str) -> set[str]:
    """Return the variables for which psql's have references in a text."""
    return {match[1] for match in _OWN.finditer(text)}


def written(text: Traced, values: Mapping[str, str | None], *, is_escaped: bool) -> tuple[Traced, list[Remark]]:
    """Return a text for an entry with `variables: true`.

    A `${` that is meant as it is gets escaped, unless it `is_escaped` already; a value that no manifest can have is put
    where it is used.
    """
    remarks: list[Remark] = []
    if not is_escaped and "${" in text.text:
        text = text.edited(list(_escapes(text, remarks)))
    if REFERENCE in text.text:
        text = text.with_text(text.text.replace(REFERENCE, "$"))
    if any(value is not None and not fits(value) for value in values.values()):
        text = text.edited(list(_unfit_values(text, values, remarks)))
    return text, remarks


def fits(value: str) -> bool:
    """Whether a manifest's variable may have this value."""
    return _FITTING.fullmatch(value) is not None


def samples(values: Mapping[str, str | None]) -> dict[str, str]:
    """Return a value for each variable, for those without one any."""
    return {name: _SAMPLE if value is None else value for name, value in values.items()}


def _escapes(text: Traced, remarks: list[Remark]) -> Iterator[Edit]:
    for match in variables.REFERENCE.finditer(text.text):
        start = match.start()
        if match["name"] and text.text[start - 1 : start] != "$":
            remarks.append(
                Remark(Change.REWRITTEN, f"`{match[0]}` is `${match[0]}`, so that it stays", text.location(start))
            )
            yield Edit(start, start, "$")
        else:
            what = f"`{match[0]}` cannot be written beside variables; put a blank or a line end before the brace"
            remarks.append(Remark(Change.REFUSED, what, text.location(start)))


def _unfit_values(text: Traced, values: Mapping[str, str | None], remarks: list[Remark]) -> Iterator[Edit]:
    for match in variables.REFERENCE.finditer(text.text):
        value = values.get(match["name"] or "")
        if value is not None and not fits(value):
            what = f"`{match[0]}` is the value that the project gives it: no manifest can hold that"
            remarks.append(Remark(Change.REWRITTEN, what, text.location(match.start())))
            yield Edit(*match.span(), value)
