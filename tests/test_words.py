"""Code and documents say what they mean in the field's words: see docs/glossary.md.

A word that is banned here was once used in a sense of zmig's own, where PostgreSQL's manual, the standard library or
plain English have a better one. Codes, keys and stored words stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

BANNED = {
    "behind": "after, for what comes later; it is right for a replica, a pooler, and what is left behind",
    "stand, stands, stood": "is; `stands for` is right where it means `means`",
    "tell, tells, told, telling": "report, say, show; somebody can tell, if he knows",
    "carrier": "executor",
    "leg, legs": "composed step",
    "relay, relays": "group commit",
    "looker, lookout": "snapshot reader, monitor",
    "bookkeeping": "envelope",
    "desk": "controller",
    "lane": "worker thread",
    "deeds": "actions",
    "outbox": "buffered observer",
    "discreet": "redacting",
    "quieten": "cancel in flight",
    "farewell": "join timeout",
    "strangers": "unversioned",
    "twin, twins": "duplicate",
    "trouble, troubles": "failure report",
    "settle, settles, settled, unsettled": "up to date, decided, recorded: whichever is meant",
    "survey": "prescan",
}
"""What is not written any more, and what is written in its place."""

_RIGHT = re.compile(
    r"\"settle\"|\bposition behind"
    r"|\b(?:leaves?|leaving|left|lags?|lagging|far|is|are|be|was|were)\b[^.;:|]{0,50}?\bbehind\b"
    r"|\bs\s+behind\b"
    r"|\bbehind\s+(?:\w+\s+){0,4}?(?:poolers?|PgBouncer)"
    r"|\bstands?\s+(?:in\s+)?for\b"
    r"|\b(?:can|could|cannot)\s+tell\b",
    re.IGNORECASE,
)
"""Where a word is used as everybody does."""


def _files() -> Iterator[Path]:
    for folder, names in (("zmig", "*.py"), ("zmig", "*.sql"), ("tui", "*.py"), ("docs", "*.md"), ("docs", "*.py")):
        yield from sorted((ROOT / folder).rglob(names))
    yield from (
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "schemas/manifest.schema.json")
    )


def words_in(text: str) -> list[str]:
    """Return the banned words in a text, as they are listed, in order; a word with a hyphen is a code, and no word."""
    plain = _RIGHT.sub("", re.sub(r"\btest_\w+|(?<=[a-z])(?=[A-Z])|_", " ", text))
    words = {word.lower() for word in re.findall(r"(?<![a-z-])[a-z]+(?![a-z-])", plain, re.IGNORECASE)}
    return [word for listed in BANNED for word in listed.split(", ") if word in words]


def test_code_and_documents_say_it_in_plain_words() -> None:
    found = {str(file.relative_to(ROOT)): words_in(file.read_text("utf-8")) for file in _files()}
    assert {name: words for name, words in found.items() if words} == {}, "write what BANNED says in their place"


def test_words_are_found_wherever_they_are() -> None:
    assert words_in("def _told_twice(): ...") == ["told"]
    assert words_in("class StillDesk:") == ["desk"]
    assert words_in("what stands behind it") == ["behind", "stands"]
    assert words_in("Carrier.carry_out") == ["carrier"]


def test_what_everybody_writes_is_let_be() -> None:
    assert words_in("how far it is behind; it leaves an invalid\nindex behind; behind a transaction pooler") == []
    assert words_in("`$${` stands for `${`; what nobody can tell; a standby") == []
    assert words_in("positions-behind, batch-stands-still") == []
