"""No regular expression of the program takes time that grows with the square of what it is given.

Every pattern is found in the packages' own source, so a new one is tried by itself. What it can repeat is told by how
Python parses it. The processor time of the process is measured, not the clock: how busy the machine is plays no part.
"""

from __future__ import annotations

import re
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.support import patterns
from zmig.cli import import_text
from zmig.database import connection_hints
from zmig.lint import grammar
from zmig.manifest import yaml_errors
from zmig.other_tools import delimiters
from zmig.other_tools.liquibase import formatted_sql
from zmig.project import draft
from zmig.sql import lexer, token_reader, variables
from zmig.text import secrets
from zmig.text.lazy_pattern import LazyPattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, ModuleType

    from tests.support.patterns import Attack, Found

pytestmark = pytest.mark.growth


def _of(module: ModuleType, name: str) -> Any:
    return vars(module)[name]


def _lex(conforming: bool) -> None:
    for _ in lexer.tokens("", conforming=conforming):
        pass


EXAMPLES: patterns.Examples = {
    ("zmig.catalog.attribution", "_mentions"): [lambda: re.search(r"(?<![\w$])name(?![\w$])", "", re.IGNORECASE)],
    ("zmig.verification.report", "_goes_with"): [
        lambda: re.search(r"(?:^| )name(?:$|[. ])", ""),
        lambda: re.search(r" name(?:[ .(]|$)", "", re.MULTILINE),
    ],
    ("zmig.text.lazy_pattern", "compiled"): [lambda: LazyPattern("").compiled],
    ("zmig.text.secrets", "__init__"): [lambda: secrets.Redactor("hunter2", "pass word", "(x)")],
    ("zmig.database.connection_hints", "for_failed_connection"): [lambda: connection_hints.for_failed_connection("")],
    ("zmig.cli.import_text", "_named"): [lambda: _of(import_text, "_named")("001_name.sql", "name")],
    ("zmig.lint.grammar", "_as_a_word"): [
        lambda: _of(grammar, "_as_a_word")("word"),
        lambda: _of(grammar, "_as_a_word")(":="),
    ],
    ("zmig.lint.rules.python", "_name_span"): [lambda: re.search(r"\bdef\s+(execute)\b", "")],
    ("zmig.manifest.yaml_errors", "_fault"): [
        lambda: [re.search(fault.words, "") for fault in _of(yaml_errors, "_FAULTS")],
    ],
    ("zmig.project.draft", "_slug"): [lambda: _of(draft, "_slug")("add_orders", 7)],
    ("zmig.manifest.edit", "_opens_with"): [lambda: re.compile(r"(?:&\S+\s+)?\{").match("")],
    ("zmig.other_tools.delimiters", "with_semicolons"): [
        lambda: delimiters.with_semicolons("", None),
        lambda: delimiters.with_semicolons("", "\\nGO"),
    ],
    ("zmig.other_tools.delimiters", "with_semicolons_for"): [lambda: delimiters.with_semicolons_for("", "@@")],
    ("zmig.other_tools.delimiters", "_ends"): [lambda: delimiters.with_semicolons_for("$a$ $a$", "@@")],
    ("zmig.other_tools.liquibase.formatted_sql", "_line"): [
        lambda: [
            _of(formatted_sql, "_line")(cast("re.Pattern[str]", one).pattern)
            for one in (
                *vars(formatted_sql).values(),
                *(mistake for mistake, _ in _of(formatted_sql, "_MISTAKES")),
            )
            if isinstance(one, re.Pattern)
        ],
    ],
    ("zmig.other_tools.liquibase.formatted_sql", "_attribute"): [
        lambda: [
            _of(formatted_sql, "_attribute")("name", cast("re.Pattern[str]", one).pattern.partition(":(")[2][:-1])
            for one in _of(formatted_sql, "_VALUES").values()
        ],
    ],
    ("zmig.other_tools.tools.graphile_migrate", "_rewritten"): [lambda: re.compile(r"(?::NAME|:OTHER)\b", re.ASCII)],
    ("zmig.other_tools.tools.node_pg_migrate", "_ignored"): [lambda: re.compile(r"\..*")],
    ("zmig.sql.lexer", "_token_pattern"): [partial(_lex, True), partial(_lex, False)],
    ("zmig.sql.token_reader", "_unescape"): [lambda: _of(token_reader, "_unescape")("")],
    ("zmig.sql.token_reader", "_unescape_unicode"): [lambda: _of(token_reader, "_unescape_unicode")("", "!")],
    ("zmig.sql.variables", "by_name"): [lambda: variables.by_name("", "${a}", {"a": "value"})],
}
"""Calls of functions whose patterns are put together from arguments."""

BOUNDED = {
    "zmig.database.connection_hints.for_failed_connection": "what libpq says is cut to 2,000 characters",
    "zmig.manifest.typed_reader": "the forms are tried on whole values, and say themselves how long those may be",
    "zmig.manifest.yaml_errors._fault": "a line is looked at up to its thousandth character",
    "zmig.text.secrets._url_patterns": "a word that ends with an @, for which `test_linear` tries them",
}
"""Where patterns stand that are given certain texts only."""

_SHORT, _TIMES_LONGER = 2_000, 16
_NOTHING = 0.000_3
"""In seconds of the processor: on a text of this length, what is quadratic takes many times as long."""
_TOO_MUCH = 100
"""By how many times a text that is 16 times as long may take longer; what is quadratic takes 256 times as long."""
_TRIES = 4
"""How often it must do so: what the processor does besides may count as the process's."""
_ENDLESS = 30


def _seconds(found: Found, text: str) -> float:
    pattern = found.pattern
    begun = time.thread_time()
    if "match" in found.uses:
        pattern.match(text)
    if "fullmatch" in found.uses:
        pattern.fullmatch(text)
    if found.uses - {"match", "fullmatch"}:
        for _ in pattern.finditer(text):
            pass
    return time.thread_time() - begun


def _is_too_slow(found: Found, attack: Attack) -> bool:
    short = attack.text(_SHORT)
    if any(_seconds(found, short) < _NOTHING for _ in range(2)):
        return False
    long = attack.text(_SHORT * _TIMES_LONGER)
    return all(_seconds(found, long) > _TOO_MUCH * min(_seconds(found, short) for _ in range(3)) for _ in range(_TRIES))


def _all() -> Iterator[Found]:
    known: set[tuple[str, int, frozenset[str]]] = set()
    for one in patterns.collect(["zmig", "zmig_tui"], EXAMPLES):
        key = (one.pattern.pattern, one.pattern.flags, one.uses)
        if key not in known and one.place.partition(":")[0] not in BOUNDED:
            known.add(key)
            yield one


ALL = list(_all())


class _Endless(Exception):
    pass


def _end(number: int, frame: FrameType | None) -> None:
    raise _Endless


@pytest.mark.parametrize("found", ALL, ids=lambda one: f"{one.place}")
def test_a_pattern_takes_no_longer_than_its_text(found: Found) -> None:
    before = signal.signal(signal.SIGVTALRM, _end)
    tried: Attack | None = None
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _ENDLESS)
        for attack in patterns.attacks(found.pattern):
            tried = attack
            assert not _is_too_slow(found, attack), (found, attack)
    except _Endless:
        pytest.fail(f"{found} does not end with {tried}")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_the_patterns_are_found() -> None:
    sources = {one.pattern.pattern for one in ALL}
    assert len(ALL) > 100
    assert r"/\*|\*/" in sources
    assert "in the statement" not in sources


def test_a_private_name_is_of_its_own_module() -> None:
    """What `_COMMENT` of one module is used by says nothing about that of another."""
    uses = {one.place.partition(":")[0]: one.uses for one in ALL if "(?P<block>" in one.pattern.pattern}
    assert uses == {"zmig.lint.rules.names": {"finditer"}}


def test_a_pattern_that_a_function_makes_is_used_as_what_it_is_assigned_to() -> None:
    place = "zmig.other_tools.liquibase.formatted_sql._line:"
    assert {one.uses for one in ALL if one.place.startswith(place)} == {frozenset({"fullmatch"})}


@pytest.mark.parametrize(
    ("source", "use"),
    [
        (r"a+b", "search"),
        (r"x\s*\s*y", "match"),
        (r"as\s*(?:\(?\s*)select", "search"),
        (r"(a+)+b", "fullmatch"),
    ],
)
def test_a_pattern_that_takes_longer_is_found_out(source: str, use: str) -> None:
    found = patterns.Found("here", re.compile(source), frozenset({use}))
    before = signal.signal(signal.SIGVTALRM, _end)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 2)
        assert any(_is_too_slow(found, attack) for attack in patterns.attacks(found.pattern))
    except _Endless:
        pass
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
