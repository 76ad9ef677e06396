"""The schema as a run left it, in the form in which a fact keeps it. Pure.

A fact holds what changed since the fact before it; now and then, and where there is none before it that it can be
compared with, all objects. Definitions are compressed together, which takes less room than hashes would, and a
difference can be shown. A definition that is very long where all are large, or that has a secret in it, is kept as its
hash.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, cast

from zmig.catalog.objects import Kind, SchemaSnapshot, object_hash
from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zmig.catalog.objects import Key

_LARGE_BYTES = 1_000_000
"""Of all definitions, compressed; from there on long ones are kept as hashes, and if that does not do, all."""
_LONG_CHARACTERS = 2_000
_HASH_DIGITS = 24
_NOT_KEPT = "(a definition that is kept as its hash alone)"
_KINDS = {kind.value: kind for kind in Kind}


@valueclass
class Kept:
    """A definition as a fact keeps it."""

    text: str | None
    """What can be shown of it; None where that is nothing."""
    hash: str | None = None
    """That of the object; None where the text is all of it."""

    def is_of(self, key: Key, definition: str) -> bool:
        """Whether it is this definition that was kept."""
        return self.text == definition if self.hash is None else self.hash == _hash(key, definition)


Objects = dict["Key", Kept]
"""Every object, with its definition."""

Changes = dict["Key", "Kept | None"]
"""What became of objects: another definition, or None where they are gone."""


def _hash(key: Key, definition: str) -> str:
    return object_hash(*key, definition)[:_HASH_DIGITS]


def kept(objects: Mapping[Key, str], redact: Callable[[str], str]) -> Objects:
    """Return objects as a fact may keep them: without secrets, and not too large."""
    texts = objects
    joined = "\n".join(objects.values())
    if redact(joined) != joined:
        texts = {key: redact(definition) for key, definition in objects.items()}
    made = {key: Kept(text, None if text == objects[key] else _hash(key, objects[key])) for key, text in texts.items()}
    if len(joined) < _LARGE_BYTES:
        return made
    for longest in (_LONG_CHARACTERS, -1):
        if len(_compressed(made)) <= _LARGE_BYTES:
            break
        made = {
            key: one if len(one.text or "") <= longest else Kept(None, _hash(key, objects[key]))
            for key, one in made.items()
        }
    return made


def changes(before: Objects, objects: Mapping[Key, str], now: Objects) -> Changes:
    """Return what became of the objects that are not as they were; `now` is what may be kept of `objects`."""
    changed: Changes = {
        key: now[key]
        for key, definition in objects.items()
        if (one := before.get(key)) is None or not one.is_of(key, definition)
    }
    return changed | {key: None for key in before.keys() - objects.keys()}


def after(before: Objects, changed: Changes) -> Objects:
    """Return the objects as they are once something became of them."""
    return {key: one for key, one in (before | changed).items() if one is not None}


def encoded(objects: Changes | Objects) -> str:
    """Return objects as a text."""
    return b64encode(_compressed(objects)).decode()


def _compressed(objects: Mapping[Key, Kept | None]) -> bytes:
    rows: list[list[str | None]] = []
    for (kind, identity), one in sorted(objects.items()):
        if one is None:
            rows.append([kind.value, identity])
        else:
            hash = [] if one.hash is None else [one.hash]
            rows.append([kind.value, identity, one.text, *hash])
    return zlib.compress(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode())


def decoded(text: str) -> Changes:
    """Return the objects that a text holds. Raises ValueError where it is none."""
    try:
        rows = cast("list[list[str | None]]", json.loads(zlib.decompress(b64decode(text, validate=True))))
        return {
            (_KINDS[row[0] or ""], row[1] or ""): Kept(row[2], row[3] if len(row) > 3 else None)
            if len(row) > 2
            else None
            for row in rows
        }
    except (zlib.error, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"no objects: {error}") from error


def comparable(objects: Objects, live: Mapping[Key, str], server_version: int) -> SchemaSnapshot:
    """Return kept objects as a snapshot to compare with what is there: what is the same has the same definition."""
    definitions: dict[Key, str] = {}
    for key, one in objects.items():
        found = live.get(key)
        is_same = found is not None and one.is_of(key, found)
        definitions[key] = found if is_same and found is not None else _NOT_KEPT if one.text is None else one.text
    return SchemaSnapshot(server_version, definitions)


def objects_of(texts: Iterable[str]) -> Objects:
    """Return the objects after all changes, the first of which are all objects there were."""
    objects: Objects = {}
    for text in texts:
        objects = after(objects, decoded(text))
    return objects
