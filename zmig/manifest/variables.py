"""`${VAR}` in a manifest's values: found, checked, replaced. `$${` stands for `${` itself.

What a variable holds may be a secret: nothing here puts it into a message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import KW_ONLY

_REFERENCE = re.compile(r"\$(?P<escape>\$\{)|\$\{(?P<name>[^}]*)(?P<close>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@valueclass
class Fault:
    """A `${...}` that cannot be replaced."""

    offset: int
    """Where the reference begins in its text, from 0."""
    reference: str
    """The reference as it is written."""
    _: KW_ONLY
    message: str
    hint: str
    name: str | None = None
    """The variable, where it is rightly written but has no value."""

    @property
    def code(self) -> str:
        """The code of the problem it makes."""
        return "variable-invalid" if self.name is None else "variable-unset"


def occur(text: str) -> bool:
    """Return whether `text` refers to a variable, or escapes a reference."""
    return "${" in text


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[Fault, ...]]:
    """Return `text` with its variables replaced, and what is wrong with them; a faulty one stays as it is."""
    faults: list[Fault] = []

    def replacement(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        fault = _fault(match, environ)
        if fault is None:
            return environ[match["name"]]
        faults.append(fault)
        return match[0]

    return _REFERENCE.sub(replacement, text), tuple(faults)


def unescape(text: str) -> tuple[str, tuple[Fault, ...]]:
    """Return `text`, where no variable is replaced, with `$${` as `${`; a reference is a fault."""
    faults = tuple(
        Fault(
            match.start(),
            match[0],
            message=f"`{match[0]}` is not replaced here: "
            "this text is recorded, and may hold no value of the environment",
            hint=f"write `${match[0]}` if the text itself is meant",
        )
        for match in _REFERENCE.finditer(text)
        if not match["escape"]
    )
    return text.replace("$${", "${"), faults


def unfit(text: str) -> Fault:
    """Return the fault of a text whose variables have values that it cannot take."""
    match = _REFERENCE.search(text)
    offset, reference = (0, text) if match is None else (match.start(), match[0])
    message = f"the value of `{reference}` does not fit here: it holds a line break, is too long, or ends with a blank"
    return Fault(offset, reference, message=message, hint="run `export` with another value first")


def _fault(match: re.Match[str], environ: Mapping[str, str]) -> Fault | None:
    offset, reference, name = match.start(), match[0], match["name"]
    if not match["close"]:
        hint = "write `${NAME}`, or `$${` for the two characters themselves"
        return Fault(offset, "${", message="`${` has no closing brace", hint=hint)
    if not _NAME.fullmatch(name):
        start = _NAME.match(name)
        hint = f"write `${{{start[0] if start else 'NAME'}}}`, or `$${{` for the two characters themselves"
        message = f"`{reference}` is not a variable: its name has letters, digits and `_` only"
        return Fault(offset, reference, message=message, hint=hint)
    if environ.get(name):
        return None
    state = "is set but empty" if name in environ else "is not set"
    hint = f"run `export {name}=...` with its value first"
    return Fault(offset, reference, message=f"the variable `{name}` {state}", hint=hint, name=name)


def escaped(text: str) -> str:
    """Return a text as a manifest has it where nothing in it is to be replaced."""
    return text.replace("${", "$${")
