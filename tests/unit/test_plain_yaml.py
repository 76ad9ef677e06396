"""YAML that is read without PyYAML: to the tree that PyYAML's events give, or left to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zmig.manifest import plain_yaml, yaml_parser
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence

ROOT = Path(__file__).parents[2]

MANIFEST = """\
# what the service needs
manifest: 1
name: orders of the shop   # shown in the console
environment: production
database: {url: "${DATABASE_URL}"}
tracking: { schema: zmig, owner: 'deploy' }
include:
- ../shared/manifest.yaml
- "other.yaml"

defaults:
  lock_timeout: 5s
  retry:
    attempts: 3
migrations:
  - version: 1
    file: 0001_users.sql
    rollback: 0001_users.down.sql

  # the index
  - version: 2
    file: sql/0002_index.sql
    transaction: false
    description: 'what it is for: speed'
  - file: 0003_r.sql
    version: 3
    kind: repeatable
    lint:
      ignore:
        - rule: sql/x
          reason: it is (so) small, and at http://example.org/a#b
"""

PLAIN = [
    MANIFEST,
    "a: 1",
    "a: 1\n\n\n",
    "\n# c\na: 1 # c\n  # c\n",
    "a:\n  b: c\n",
    "a:\n- b\n- c: d\n  e: f\nz: 1\n",
    "a:\n  - b\nz: 1\n",
    "  a: 1\n  b: 2\n",
    "a: \"\"\nb: ''\n",
    "a: ${HOME}/x\n",
    "a: b:c\n",
    "a: b#c\n",
    "a: 1 # ö\n",
    'a: "ö"\n',
    "\ufeffa: 1\n",
]
NOT_PLAIN = [
    "",
    "# nothing\n",
    "- a\n",
    "a\n",
    "a: 1\na: 2\n",
    "a:\n",
    "a:\nb: 1\n",
    "a: b: c\n",
    "a:b\n",
    "a: b\n  c\n",
    "a: b\n c: d\n",
    "a:\n  b: c\n d: e\n",
    "a: |\n  b\n",
    "a: &x b\n",
    "a: *x\n",
    "<<: {a: b}\n",
    "a: !!str b\n",
    "a: [b]\n",
    "a: {b: c,}\n",
    "a: {b: c, b: d}\n",
    "a: {b: {c: d}}\n",
    'a: "\\n"\n',
    "a: 'it''s'\n",
    "a: - b\n",
    "a: \tb\n",
    "a: 1\r\nb: 2\r\n",
    "a: 1\x85b: 2\n",
    "--- \na: 1\n",
    "a: 1\n...\n",
    "%YAML 1.1\n---\na: 1\n",
    "a: 1\n- b\n",
    f"{'a' * 2000}: 1\n",
]


def _tree(node: Any) -> object:
    match node:
        case Scalar():
            return (node.text, node.plain, node.start, node.end)
        case Sequence():
            return ([_tree(item) for item in node.items], node.start, node.end)
        case Mapping():
            return ([(key, *map(_tree, pair)) for key, pair in node.entries.items()], node.start, node.end)
        case _:
            return None


def _agrees(text: str) -> bool:
    """Whether a text is read here; if so, as PyYAML reads it."""
    found = plain_yaml.parse(text, label="m.yaml")
    if found is None:
        return False
    expected = yaml_parser.parse(text, label="m.yaml")
    assert expected.problems == ()
    assert _tree(found.root) == _tree(expected.root)
    assert (found.source.label, found.source.text) == ("m.yaml", expected.source.text)
    return True


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_plain_is_read_as_pyyaml_reads_it(text: str) -> None:
    assert _agrees(text)


def test_the_example_of_the_documentation_is_plain() -> None:
    assert _agrees((ROOT / "manifests" / "demo.yaml").read_text("utf-8"))


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_pyyaml(text: str) -> None:
    assert not _agrees(text)


def test_a_text_that_may_hold_too_many_nodes_is_left_to_pyyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: 1\nb: {c: d}\n"
    monkeypatch.setattr(plain_yaml, "NODE_LIMIT", 9)
    assert plain_yaml.parse(text, label="m.yaml") is None
    monkeypatch.setattr(plain_yaml, "NODE_LIMIT", 10)
    assert plain_yaml.parse(text, label="m.yaml") is not None


_VALUES = [
    *("v", "1", "a b", "a  b", "'q'", '"q"', '""', "{a: b}", "{a: b, c: 'd'}", "{ a: b }", "${V}", "x:y", "a#b"),
    *("v # c", "-x", "- x", "b: c", "'it''s'", "(x)", "[1]", "*a", "&a x", "a, b", "x}", "true", "...", "a:", "?"),
    *("? x", "<<", "ö", "http://u:p@h/d?x=y", "{}", "{a: }", "{a:b}", "{a: b,c: d}", "'a': b", '"\\t"', "|", ">"),
    *("%x", "@x", "`x", "!t x"),
]
_INDENTS = st.sampled_from(["", "", "", " ", "  ", "  ", "   ", "    ", "    ", "      "])
_ENDS = st.sampled_from(["", "", "", "", " ", " # c", "# c", "\t", "\r"])
_KEYS = st.sampled_from(["a: ", "b: ", "c:  ", "d:", "e:", "f: ", "a_1: ", "'k': ", "é: ", "? ", "<<: "])
_DASHES = st.sampled_from(["", "", "", "- ", "- ", "-  ", "-", "- - "])
_LINES = st.one_of(
    st.builds("{}{}{}{}{}".format, _INDENTS, _DASHES, _KEYS, st.sampled_from(["", *_VALUES]), _ENDS),
    st.builds("{}- {}{}".format, _INDENTS, st.sampled_from(_VALUES), _ENDS),
    st.sampled_from(["", " ", "# c", "  # c", "---", "...", "%TAG", "v", "\x85", "\u2028", "\ufeff"]),
)


@settings(max_examples=2000, deadline=None)
@given(st.lists(_LINES, max_size=7).map("\n".join))
@example("a:\n- b: c\n\n  # c\n  d: e\n- f: g\n")
def test_any_text_is_read_as_pyyaml_reads_it_or_not_at_all(text: str) -> None:
    _agrees(text)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_plain_text_with_anything_in_it_is_read_as_pyyaml_reads_it_or_not_at_all(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(MANIFEST)))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(st.text(st.sampled_from(":-#{}[]'\"\\ \n\t,&*!|>%@`?ab1é$."), max_size=3))
    _agrees(MANIFEST[:place] + put + MANIFEST[place + cut :])
