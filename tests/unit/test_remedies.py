"""What helps against a recorded failure, by what the fact holds of it."""

from __future__ import annotations

import pytest

from zmig.hints import run_command
from zmig.model import Kind, Language, Migration, Settings
from zmig.planning import remedies

_MIGRATION = Migration(8, "008_x", Kind.SQL, Language.SQL)
_AGAIN = run_command("retry", "008_x")

HINTS: dict[str, tuple[dict[str, object], str | None]] = {
    "an error of the file": ({"sqlstate": "42P01", "message": "no"}, None),
    "an error of Python code": ({"sqlstate": None, "message": "no"}, None),
    "a fact appended by hand": ({}, None),
    "zmig's default": (
        {"sqlstate": "57014", "message": "no", "timeout": "statement_timeout", "timeout_of": "zmig"},
        "write `statement_timeout: 1h` in the manifest entry of `008_x`, then run `zmig retry 008_x`",
    ),
    "a lock timeout": (
        {"sqlstate": "55P03", "message": "no", "timeout": "lock_timeout", "timeout_of": "zmig"},
        "end what holds the lock, or write `lock_timeout: 30s` in the manifest entry of `008_x`, "
        "then run `zmig retry 008_x`",
    ),
    "nowait": (
        {"sqlstate": "55P03", "message": "could not obtain lock"},
        "run `zmig retry 008_x` when what is in its way is over",
    ),
    "a deadlock": (
        {"sqlstate": "40P01", "message": "deadlock detected"},
        "run `zmig retry 008_x` when what is in its way is over",
    ),
    "a full disk": (
        {"sqlstate": "53100", "message": "no space"},
        "give the server what it lacks, then run `zmig retry 008_x`",
    ),
    "a standby": (
        {"sqlstate": "25006", "message": "read-only"},
        "connect to the primary server, as a role that may write, then run `zmig retry 008_x`",
    ),
    "a lost connection": (
        {"sqlstate": "57P01", "message": "terminating"},
        "once the server answers again, run `zmig retry 008_x`",
    ),
    "a node of a cluster that fails": (
        {"sqlstate": "XX000", "message": "failure on connection marked as essential: 127.0.0.1:5432"},
        "once every server that takes part answers, run `zmig retry 008_x`",
    ),
    "a table's rights": (
        {"sqlstate": "42501", "message": "permission denied for table users"},
        'let its owner run `grant all on table users to "App"`, then run `zmig retry 008_x`',
    ),
    "another schema's rights": (
        {"sqlstate": "42501", "message": "permission denied for schema Shop"},
        'let its owner run `grant usage, create on schema "Shop" to "App"`, then run `zmig retry 008_x`',
    ),
    "a right that has no name": (
        {"sqlstate": "42501", "message": "Berechtigung verweigert"},
        'grant `"App"` the right it lacks, then run `zmig retry 008_x`',
    ),
}


@pytest.mark.parametrize("case", HINTS)
def test_hint(case: str) -> None:
    error, hint = HINTS[case]
    assert remedies.remedy_for(error, _MIGRATION, role="App", again=_AGAIN) == hint


def test_the_timeout_that_is_offered_is_longer_than_the_one_that_is_declared() -> None:
    error: dict[str, object] = {"sqlstate": "57014", "timeout": "statement_timeout", "timeout_of": "zmig"}
    migration = Migration(8, "008_x", Kind.SQL, Language.SQL, settings=Settings(statement_timeout_seconds=86_400.0))
    assert "`statement_timeout: 4d`" in (remedies.remedy_for(error, migration, role=None, again=_AGAIN) or "")
