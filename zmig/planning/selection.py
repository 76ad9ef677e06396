"""What a person means by a name or a version. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zmig.errors import Problem, UsageError
from zmig.hints import Hint, command
from zmig.text.nearest import nearest
from zmig.text.terminal import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from zmig.hints import Named
    from zmig.planning.state import Entry

Declared = TypeVar("Declared", bound="Named")

_LONGEST_VERSION = 19
"""Digits of the largest `bigint`."""
_SHOWN_VERSIONS = 12
_LONGEST_NAME = 200


def find(entries: Iterable[Entry], name: str) -> Entry:
    """Return the entry a person means by a name or a version; what is declared goes before what is only recorded.

    Raises:
        UsageError: nothing has that name or version; the nearest name is offered.
    """
    return find_all(entries, (name,))[0]


def find_one(entries: Sequence[Entry], name: str) -> Entry:
    """Return what `find` does, where only one entry can be meant: one to be recorded about.

    Raises:
        UsageError: like `find`; or two entries have that name, as after a change of version.
    """
    versions = [entry.version for entry in entries if entry.name == name and entry.version is not None]
    if len(versions) > 1:
        raise UsageError(
            Problem(
                "name-ambiguous",
                f"{len(versions)} migrations are called `{name}`",
                facts=(f"their versions: {', '.join(map(str, versions))}",),
                effect="nothing was recorded",
                hint=f"write the version instead of the name, such as `{versions[0]}`",
            )
        )
    return find(entries, name)


def find_all(entries: Iterable[Declared], names: Collection[str]) -> list[Declared]:
    """Return the entries, or migrations, a person means by names or versions, in the order of the names.

    Raises:
        UsageError: with every name that nothing has.
    """
    by_name: dict[str, Declared] = {}
    by_version: dict[int | None, Declared] = {}
    for entry in entries:
        by_name.setdefault(entry.name, entry)
        by_version.setdefault(entry.version, entry)
    meant: dict[str, Declared | None] = {}
    for name in names:
        is_version = name.isascii() and name.isdecimal() and len(name) <= _LONGEST_VERSION
        meant[name] = by_name.get(name) or (by_version.get(int(name)) if is_version else None)
    unknown = [_unknown(name, by_name) for name, entry in meant.items() if entry is None]
    if unknown:
        raise UsageError(*unknown)
    return [entry for entry in meant.values() if entry is not None]


def _unknown(name: str, known: Collection[str]) -> Problem:
    near = nearest(name, known) if len(name) <= _LONGEST_NAME else None
    shown = one_line(name)
    if len(shown) > _LONGEST_NAME:
        shown = f"{shown[:_LONGEST_NAME]}…"
    return Problem(
        "unknown-migration",
        f"no migration is called `{shown}`" if name.strip() else "no migration is called by an empty name",
        hint=f"write `{near}`" if near else Hint("see the names with ", command("status")),
    )


def _squashed_version(to: int, name: str, replaces: str, version: int | None) -> Problem:
    return Problem(
        "squashed",
        f"version {to} is inside of `{name}`, which replaces {replaces} as a whole",
        facts=("to stop inside of it, use the entries and files from before the squash",),
        effect="nothing was run",
        hint=f"write `--to {version}`",
    )


def check_target(entries: Sequence[Entry], to: int | None) -> None:
    """Make sure that a migration has version `to`; None and 0 always pass.

    Raises:
        UsageError: none has; the nearest version is offered.
    """
    if to is None or to == 0 or any(entry.version == to for entry in entries):
        return
    for entry in entries:
        replaces = entry.migration.replaces if entry.migration is not None else None
        if replaces is not None and to in replaces:
            raise UsageError(_squashed_version(to, entry.name, str(replaces), entry.version))
    versions = sorted({entry.version for entry in entries if entry.version is not None})
    near = min(versions, key=lambda version: abs(version - to), default=None)
    listed = [str(version) for version in versions[:_SHOWN_VERSIONS]]
    if len(versions) > _SHOWN_VERSIONS:
        listed.append(f"... {versions[-1]}")
    raise UsageError(
        Problem(
            "unknown-version",
            f"no migration has version {to}",
            facts=(f"versions: {', '.join(listed)}",) if versions else (),
            effect="nothing was run",
            hint=f"write `--to {near}`" if near is not None else "declare a migration in the manifest",
        )
    )
