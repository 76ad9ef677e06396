"""How placeholders of other tools become zmig's."""

from __future__ import annotations

import re

from zmig.other_tools.placeholders import rewrite
from zmig.sql.variables import fill

_COLON = re.compile(r":([A-Z]+)\b")


def test_what_only_looks_like_a_reference_is_text_for_zmig_too() -> None:
    source = "grant select on t to :READER; select '${READER}', '$${READER', ':other';"
    rewritten = rewrite(source, _COLON, lambda one: one[1])
    assert rewritten.names == {"READER"}
    assert rewritten.unwritable == (source.index("{READER'") - 1,)
    written = rewrite(source.replace("'$${READER'", "1"), _COLON, lambda one: one[1])
    assert not written.unwritable
    filled = fill(written.text, {"READER": "bob"}, path="f.sql").text
    assert filled == "grant select on t to bob; select '${READER}', 1, ':other';"


def test_a_text_without_placeholders_is_not_touched() -> None:
    source = "do $${ 1 }$$; select '${x}', :other"
    assert rewrite(source, _COLON, lambda one: one[1]) == (source, frozenset(), ())
    assert rewrite(":A ${x}", _COLON, lambda one: None) == (":A ${x}", frozenset(), ())


def test_a_dollar_right_before_one_cannot_be_written() -> None:
    assert rewrite("select $:A", _COLON, lambda one: one[1]).unwritable == (8,)
    assert rewrite("do $${x}$$ :A", _COLON, lambda one: one[1]).unwritable == (4,)
