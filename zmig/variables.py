"""`${VAR}` in a manifest's values: found, checked, replaced. `$${` stands for `${` itself.

What a variable holds may be a secret: nothing here puts it into a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?P<escape>\$\{)|\$\{(?P<name>[^}]*)(?P<close>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """A `${...}` that cannot be replaced."""

    reference: str
    """The reference as it is written."""
    message: str
    hint: str
    name: str | None = None
    """The variable, where it is a rightly written one that has no value."""


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
            match[0],
            f"`{match[0]}` is not replaced here: this text is recorded, and may hold no value of the environment",
            f"write `${match[0]}` if the text itself is meant",
        )
        for match in _REFERENCE.finditer(text)
        if not match["escape"]
    )
    return text.replace("$${", "${"), faults


def _fault(match: re.Match[str], environ: Mapping[str, str]) -> Fault | None:
    name = match["name"]
    if not match["close"]:
        return Fault("${", "`${` has no closing brace", "write `${NAME}`, or `$${` for the two characters themselves")
    if not _NAME.fullmatch(name):
        bare = re.match(_NAME, name)
        hint = f"write `${{{bare[0] if bare else 'NAME'}}}`, or `$${{` for the two characters themselves"
        return Fault(match[0], f"`{match[0]}` is not a variable: its name has letters, digits and `_` only", hint)
    if environ.get(name):
        return None
    state = "is set but empty" if name in environ else "is not set"
    return Fault(match[0], f"the variable `{name}` {state}", f"run `export {name}=...` with its value first", name)
