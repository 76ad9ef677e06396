"""The checksum over a script's tokens: judged by PostgreSQL's own lexer, which is in libpg_query."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import postgast
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from postgast import pg_query_pb2 as pb

from tests.support.scripts import scripts
from zmig.errors import ManifestError
from zmig.project.text_file import checksum_of
from zmig.sql import script, token_checksum

if TYPE_CHECKING:
    from collections.abc import Callable


def checksum(text: str, *, conforming: bool = True) -> str | None:
    return token_checksum.of_statements(script.split(text, path="a.sql", conforming=conforming))


SAME: dict[str, tuple[str, str]] = {
    "a comment more": ("select 1;", "-- what it is for\nselect /* a /* nested */ one */ 1 -- done\n;\n"),
    "a comment less": ("-- licence\n\nselect 1;", "select 1;"),
    "other white space": ("select a,b from t where c=1", "select\n\ta , b\r\nfrom t\n where c = 1 ;\n"),
    "the case of keywords and names": ("SELECT A FROM T", "select a from t"),
    "a last semicolon, and empty statements": ("select 1", ";;select 1;;"),
    "blanks where operators do not grow together": ("select a=-1, b::int, c@>d", "select a = - 1, b :: int, c @> d"),
    "blanks around what ends an operator": ("select a <-1", "select a < -1"),
    "white space before a type's constant": ("select date'2020-01-01'", "select DATE  '2020-01-01'"),
    "the case of UESCAPE": ("select U&'d!0061' uescape '!'", "select U&'d!0061'\nUESCAPE '!'"),
    "white space around a dollar quote": ("do $$begin end$$", "DO\n$$begin end$$;"),
    "a name with a dollar sign in it": ("select A$B, $1", "select a$b , $1"),
    "line ends, in constants too, as they make no difference to a checksum": ("select 'a\nb'", "select 'a\r\nb'"),
    "a comment between rows and what comes after": (
        "copy t from stdin;\na\n\\.\nselect 1;",
        "COPY t FROM stdin ;\na\n\\.\n-- more\nselect 1;",
    ),
    "a line of pg_dump's that is not sent": ("\\restrict a\nselect 1;", "\\restrict b\nselect 1;"),
}

OTHER: dict[str, tuple[str, str]] = {
    "a constant": ("select 'a'", "select 'A'"),
    "white space in a constant": ("select 'a b'", "select 'a  b'"),
    "what looks like a comment, in a constant": ("select '-- a'", "select '-- b'"),
    "a comment in a dollar quote": ("do $$begin /* a */ end$$", "do $$begin /* b */ end$$"),
    "a comment in a tagged dollar quote": ("do $a$ -- a\n $a$", "do $a$ -- b\n $a$"),
    "the case of a dollar quote's tag": ("do $a$ x $a$", "do $A$ x $A$"),
    "the case of a quoted name": ('select "A"', 'select "a"'),
    "a quoted name or a word": ('select "a"', "select a"),
    "a quoted name with escapes": ('select U&"d\\0061"', 'select U&"d\\0041"'),
    "rows of COPY": ("copy t from stdin;\na\n\\.\n", "copy t from stdin;\nA\n\\.\n"),
    "blanks in rows of COPY": ("copy t from stdin;\na\tb\n\\.\n", "copy t from stdin;\na\t b\n\\.\n"),
    "what looks like a comment in rows of COPY": ("copy t from stdin;\n-- a\n\\.\n", "copy t from stdin;\n-- b\n\\.\n"),
    "a letter that a server does not fold": ("select É", "select é"),
    "minus of a minus, and a comment": ("select a - -1\n, 2", "select a --1\n, 2"),
    "an operator that grows": ("select a @ -1", "select a @-1"),
    "two constants, or one over two lines": ("select 'a'\n'b'", "select 'a' 'b'"),
    "two constants, or one with a quote": ("select 'a' 'b'", "select 'a''b'"),
    "a constant with a prefix, or a word and a constant": ("select e'a'", "select e 'a'"),
    "a constant with U& or an operator": ("select U&'a'", "select U & 'a'"),
    "a number, or two": ("select 1 .5", "select 1.5"),
    "a range, or two numbers": ("select 1..2", "select 1. .2"),
    "an exponent, or a sum": ("select 1e-5", "select 1e - 5"),
    "a cast, or two colons": ("select a::b", "select a: :b"),
    "a byte order mark in the middle": ("select 1", "select \ufeff1"),
    "where a statement ends": ("select 1; select 2", "select 1 select 2"),
    "a blank that the server takes for a letter": ("select a b", "select a\u00a0b"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_the_server_is_sent_alike_has_one_checksum(name: str) -> None:
    one, other = SAME[name]
    assert checksum(one) == checksum(other)


@pytest.mark.parametrize("name", OTHER)
def test_what_the_server_is_sent_otherwise_has_another_checksum(name: str) -> None:
    one, other = OTHER[name]
    assert checksum(one) != checksum(other)


def test_no_checksum_depends_on_how_a_session_reads_backslashes() -> None:
    assert checksum("select 'a'", conforming=False) == checksum("select 'a'")
    assert checksum("select 'a\\'", conforming=True) is not None
    assert checksum("select 'a\\\\'", conforming=False) is None


FILTERS = settings(suppress_health_check=[HealthCheck.filter_too_much])


_GAPS = ("", " ", "\n", "\t", "\r\n", " -- a comment; it's\n", "/* a /* nested; */ $$ one ' */", "\f ", "  ")
_PIECES = (
    "select", "From", "A", "b$1", "É", "_x", '"Q a"', 'U&"d\\0061"', "'c'", "'c d'", "e'x\\'y'", "E'z'", "U&'d\\0061'",
    "uescape", "b'01'", "x'1F'", "n'a'", "$$ B -- c $$", "$t$ D /* $t$", "1", "1.5", ".5", "1.", "1e5", "1e-5", "0x1F",
    "1_000", "$1", "(", ")", "[", "]", ",", ".", "..", ":", "::", ":=", "=", "<", ">", "<=", "<>", "!=", "=>", "+", "-",
    "*", "/", "%", "@", "@-", "||", "->>", "~", "#", "&", "?", "^", "e", "U", "'it''s'", "date",
)  # fmt: skip
_UNSURE = re.compile(r":\s*\w|[\w.]\$|[0-9][A-Za-z_\x80-\uffff]|\$[0-9]+\.|'\s*(?:--[^\n]*\s*)*'")
"""What may have two checksums though the server is sent one thing."""


def _scanned(text: str) -> list[tuple[object, ...]] | None:
    """Return the tokens of PostgreSQL's lexer; None where it refuses the text."""
    content = text.replace("\r\n", "\n").encode()
    try:
        found = postgast.scan(content.decode()).tokens
    except postgast.PgQueryError:
        return None
    tokens: list[tuple[object, ...]] = []
    last_end, last = 0, False
    for one in found:
        if one.token in (pb.SQL_COMMENT, pb.C_COMMENT):
            continue
        spelled = content[one.start : one.end]
        is_word = one.token == pb.IDENT and not spelled.endswith(b'"')
        is_word = is_word or one.keyword_kind != pb.NO_KEYWORD
        between = content[last_end : one.start]
        # It says of the parts of a constant that goes on in the next line that they are constants.
        gap = between if spelled.startswith(b"'") and last and b"\n" in between else b""
        tokens.append((one.token, gap, spelled.lower() if is_word or spelled[:1].isdigit() else spelled))
        last_end, last = one.end, spelled.endswith(b"'")
    while tokens and tokens[-1][2] == b";":
        tokens.pop()
    return tokens


@st.composite
def pairs(draw: Callable[..., object]) -> tuple[str, str]:
    """Make two spellings of some tokens, which may be read as the same ones or not."""
    pieces: list[str] = draw(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12))  # pyright: ignore[reportAssignmentType]
    gap = st.sampled_from(_GAPS)
    cases = st.booleans()

    def spelled() -> str:
        return "select " + "".join(
            (one.swapcase() if one.isidentifier() and draw(cases) else one) + str(draw(gap)) for one in pieces
        )

    return spelled(), spelled()


@FILTERS
@given(pairs())
def test_checksums_are_as_equal_as_tokens(texts: tuple[str, str]) -> None:
    one, other = texts
    here, there = _scanned(one), _scanned(other)
    assume(here is not None)
    try:
        are_equal = checksum(one) == checksum(other)
    except ManifestError:
        assume(False)
        raise
    if here != there:
        assert not are_equal
    elif not (_UNSURE.search(one) or _UNSURE.search(other)):
        assert are_equal


@FILTERS
@given(scripts, scripts, st.integers(0, 40))
def test_a_change_of_any_script_is_seen_where_its_tokens_change(one: str, piece: str, place: int) -> None:
    other = one[:place] + piece + one[place:]
    assume("copy" not in one + piece and "\\" not in one + piece)
    here, there = _scanned(one), _scanned(other)
    assume(here is not None and here != there)
    try:
        before = checksum(one)
        after = checksum(other)
    except ManifestError:
        assume(False)
        raise
    # A semicolon more or less makes a difference only where it ends a statement.
    is_semicolon = [one for one in here or () if one[2] != b";"] == [one for one in there or () if one[2] != b";"]
    assert is_semicolon or before != after


@FILTERS
@given(scripts)
def test_line_ends_make_no_difference(text: str) -> None:
    other = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assume(checksum_of(text) == checksum_of(other))
    try:
        assert checksum(text) == checksum(other)
    except ManifestError:
        assume(False)
