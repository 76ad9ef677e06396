"""YAML text as a tree: values, places, limits, and that any text ends well, with the C parser and without."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zmig.manifest import yaml_parser
from zmig.manifest.yaml_parser import Mapping, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.manifest.yaml_parser import Document, Node

needs_c = pytest.mark.skipif(not hasattr(yaml, "CSafeLoader"), reason="PyYAML was built without libyaml")


@pytest.fixture(params=[pytest.param("c", marks=needs_c), "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with both of PyYAML's parsers."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)


def parse(text: str) -> Document:
    return yaml_parser.parse(text, label="m.yaml")


def root(text: str) -> Mapping:
    document = parse(text)
    assert not document.problems
    assert isinstance(document.root, Mapping)
    return document.root


def value(text: str) -> object:
    node = root(f"key: {text}").get("key")
    assert isinstance(node, Scalar)
    return node.value


def told(text: str) -> list[tuple[str, str, str | None]]:
    """The place, the message and the hint of every problem."""
    return [
        (str(problem.location).removeprefix("m.yaml:"), problem.message, problem.hint)
        for problem in parse(text).problems
    ]


def nodes(node: Node | None) -> Iterator[Node]:
    match node:
        case Sequence():
            yield node
            for item in node.items:
                yield from nodes(item)
        case Mapping():
            yield node
            for key, item in node.entries.values():
                yield key
                yield from nodes(item)
        case Scalar():
            yield node
        case None:
            pass


TYPED: dict[str, object] = {
    "10": 10,
    "0010": 10,
    "+7": 7,
    "-7": -7,
    "1.5": 1.5,
    ".5": 0.5,
    "true": True,
    "True": True,
    "FALSE": False,
    "null": None,
    "~": None,
    "": None,
    "no": "no",
    "on": "on",
    "Yes": "Yes",
    "y": "y",
    "1:30": "1:30",
    "2026-11-22": "2026-11-22",
    "0x10": "0x10",
    "0o17": "0o17",
    "1_000": "1_000",
    "1e3": "1e3",
    ".inf": ".inf",
    "1.": "1.",
    "v1": "v1",
    "'10'": "10",
    '"true"': "true",
    "''": "",
}


@pytest.mark.parametrize(("text", "expected"), TYPED.items())
def test_only_plain_words_and_decimal_numbers_have_a_type(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_a_refused_tag_does_not_change_what_a_plain_value_stands_for() -> None:
    for text, expected in {"!!str 10": 10, "!x 'a'": "a", '!!int "10"': "10"}.items():
        tree = parse(f"key: {text}").root
        assert isinstance(tree, Mapping)
        node = tree.get("key")
        assert isinstance(node, Scalar)
        assert node.value == expected


def test_a_number_of_absurd_length_stays_text() -> None:
    assert value("9" * 5000) == "9" * 5000


PLACES: dict[str, tuple[str, str]] = {
    "a mark behind wide characters counts characters": ("x: ['😀', '數據', here]", "1:16"),
    "a byte order mark is not counted": ("\ufeffx: here", "1:4"),
    "CRLF is one line end": ("x: 1\r\ny: here", "2:4"),
    "CR alone is a line end": ("x: 1\ry: here", "2:4"),
    "U+2028 is no line end for an editor": ("x: 'a\u2028b'\ny: here", "2:4"),
    "U+0085 is no line end for an editor": ("x: 'a\x85b'\ny: here", "2:4"),
    "combining characters count one by one": ("e\u0301: here", "1:5"),
}


@pytest.mark.parametrize(("text", "place"), PLACES.values(), ids=PLACES.keys())
def test_places_count_as_editors_do(text: str, place: str) -> None:
    document = parse(text)
    (node,) = (node for node in nodes(document.root) if isinstance(node, Scalar) and node.text == "here")
    location = document.location(node)
    assert f"{location.line}:{location.column}" == place
    assert (location.text or "")[location.column - 1 :][: location.width] == "here"


FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a repeated key": ("a: 1\nb: 2\na: 3\n", "3:1", "the key `a` is repeated", "remove one of the two `a:` lines"),
    "a Python tag": (
        "a: !!python/object/apply:os.system [id]",
        "1:4",
        "the tag `!!python/object/apply:os.system` is not allowed",
        "remove the tag: values here need none",
    ),
    "a local tag": ("a: !secret x", "1:4", "the tag `!secret` is not allowed", "remove the tag: values here need none"),
    "a second document": (
        "a: 1\n---\nb: 2\n",
        "2:1",
        "a second YAML document begins here",
        "remove everything from this `---` on",
    ),
    "a list as a key": (
        "? [a]\n: b\n",
        "1:3",
        "a list or a mapping is where a key belongs",
        "write a plain word before the `:`",
    ),
    "an alias without anchor": (
        "a: *nobody",
        "1:4",
        "the alias `*nobody` has no anchor",
        "write `&nobody` before the value meant",
    ),
    "an alias of what it stands in": (
        "a: &a [*a]",
        "1:8",
        "the alias `*a` is inside the value it names",
        "write the value out",
    ),
    "a merge of something else": (
        "<<: 3",
        "1:5",
        "`<<` merges mappings only",
        "write `<<: *name` with the name of an anchored mapping",
    ),
    "a tab as indentation": (
        "a:\n\tb: 1",
        "2:1",
        "a tab is where YAML takes spaces only",
        "replace the tab with spaces",
    ),
    "a tab in a value's indentation": (
        "a: b\n\tc: d",
        "2:1",
        "a tab is where YAML takes spaces only",
        "replace the tab with spaces",
    ),
    "an open quote": ("a: 'x\nb: 1\n", "1:4", "a quote is never closed", "close the quote"),
    "an open list": (
        "a: [1, 2\nb: 3\n",
        "1:4",
        "a list in `[...]` is not closed",
        "write `,` between its items and `]` at its end",
    ),
    "an open mapping": (
        "a: {b: 1\nc: 2\n",
        "1:4",
        "a mapping in `{...}` is not closed",
        "write `,` between its keys and `}` at its end",
    ),
    "a variable in braces": (
        "a: {b: ${C}}",
        "1:9",
        "`${...}` needs quotes inside `{...}` and `[...]`",
        'write `"${NAME}"`',
    ),
    "wrong indentation": (
        "a:\n  b: 1\n c: 2\n",
        "3:2",
        "a line does not fit the lines above it",
        "indent it like the other lines of its list or mapping",
    ),
    "a missing colon": ("a: 1\nb\n", "2:1", "a line has no `:` after its key", "write `key: value`"),
    "a colon in a value": (
        "a: b: c",
        "1:5",
        "a `:` is where no value may begin",
        "indent the line like the one above, or put quotes around a value that holds a `:`",
    ),
    "a list on its key's line": (
        "a: - b",
        "1:4",
        "a list item begins on the line of its key",
        "put the `- ` on the next line",
    ),
    "a reserved character": (
        "a: @b",
        "1:4",
        "a value begins with a character that YAML reserves",
        "put quotes around the value",
    ),
    "a NUL": ("é: a\x00b", "1:5", "the character U+0000 is not allowed in YAML", "remove the character"),
    "a bell": ("a: 數\x07", "1:5", "the character U+0007 is not allowed in YAML", "remove the character"),
    "an escaped NUL": ('a: "x\\0"', "1:4", "a value holds a NUL character", "remove the escape sequence"),
    "half a character": ("a: \ud800", "1:4", "the character U+D800 is not allowed in YAML", "remove the character"),
}


@pytest.mark.parametrize(("text", "place", "message", "hint"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_told_with_its_place(text: str, place: str, message: str, hint: str) -> None:
    assert told(text) == [(place, message, hint)]


def test_a_repeated_key_says_where_it_was_first() -> None:
    (problem,) = parse("a: 1\nb: 2\na: 3\n").problems
    assert problem.facts == ("first written at m.yaml:1:1",)


def test_faults_that_can_be_read_past_are_all_told() -> None:
    places = [place for place, _, _ in told("a: 1\na: 2\nb: !x 1\nb: 3\n---\nc\n")]
    assert places == ["2:1", "3:4", "4:1", "5:1"]


def test_merge_keys_add_what_is_not_written_in_any_order() -> None:
    tree = root("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nentry: {y: 9, <<: [*b, *o]}\nquoted: {'<<': 1}")
    entry, quoted = tree.get("entry"), tree.get("quoted")
    assert isinstance(entry, Mapping)
    assert isinstance(quoted, Mapping)
    found = {key: node.text for key, (_, node) in entry.entries.items() if isinstance(node, Scalar)}
    assert found == {"y": "9", "x": "1", "z": "4"}
    assert list(quoted.entries) == ["<<"]


def test_an_empty_text_has_no_root_and_no_problem() -> None:
    for text in ("", "\n\n", "# nothing\n", "\ufeff"):
        assert parse(text).root is None
        assert parse(text).problems == ()


def bomb(levels: int) -> str:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


def test_an_alias_bomb_is_refused_without_unfolding_it() -> None:
    text = bomb(40)
    parse(text)
    tracemalloc.start()
    try:
        problems = parse(text).problems
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [problem.message for problem in problems] == ["the text unfolds to more than 2,000,000 values"]
    assert peak < 5_000_000


def test_a_merge_bomb_is_refused_as_well() -> None:
    lines = ["l0: &l0 {" + ", ".join(f"k{number}: 1" for number in range(1000)) + "}"]
    lines += [f"m{number}: {{<<: [{', '.join(['*l0'] * 10)}]}}" for number in range(1000)]
    assert "unfolds to more than" in parse("\n".join(lines)).problems[0].message


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 400, "? " * 100_000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert [message for _, message, _ in told(text)] == ["lists and mappings are nested more than 50 deep"]


def test_fifty_levels_are_not_too_deep() -> None:
    assert not parse("[" * 50 + "]" * 50).problems


def test_a_text_that_is_too_large_is_refused_before_it_is_read() -> None:
    (problem,) = parse("# 50 MB\n" * 6_250_000).problems
    assert problem.code == "manifest-too-large"
    assert problem.message == "`m.yaml` is too large for a manifest: 50.0 MB, and 33.6 MB are allowed"


def test_the_garbage_collector_is_as_it_was_afterwards() -> None:
    assert gc.isenabled()
    parse("a: [")
    assert gc.isenabled()
    gc.disable()
    try:
        parse("a: 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_line_that_may_hold_a_password_is_not_shown() -> None:
    for line in ("url: postgresql://me:secret@host/db: x: y", "url: 'host=db password=secret': x: y"):
        (problem,) = parse(line).problems
        assert problem.location is not None
        assert problem.location.text is None


FRAGMENTS = [
    "a", "b: ", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ",", "'", '"', "&x ", "*x", "<<: ", "!t ", "!!str ",
    "|\n", ">-\n", "#", " ", "\t", "%", "---\n", "...\n", "? ", "\\", "\r\n", "\r", "\x85", "\u2028", "\ufeff",
    "😀", "0010", "@", "`",
]  # fmt: skip
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join) | st.text(max_size=60)


@settings(max_examples=80, deadline=None)
@given(texts)
@example("\ud800: \udfff")
@example("%YAML 9.9\n---\n")
@example("%TAG ! x\n%TAG ! y\n---\na")
@example("!a!b c")
@example('a: "\\ud83d\\ude00"')
def test_any_text_ends_in_a_tree_or_in_problems_with_places(text: str) -> None:
    document = parse(text)
    for problem in document.problems:
        location = problem.location
        assert location is not None
        assert problem.hint
        lines = document.source.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        assert 1 <= location.line <= len(lines)
        assert 1 <= location.column <= len(lines[location.line - 1]) + 1
        assert location.text in (None, lines[location.line - 1])


@settings(max_examples=80, deadline=None)
@given(texts)
def test_a_plain_value_stands_where_its_node_says(text: str) -> None:
    document = parse(text)
    for node in nodes(document.root):
        assert 0 <= node.start <= node.end <= len(document.source.text)
        if isinstance(node, Scalar) and node.plain and " " not in node.text and node.text.isprintable():
            written = document.source.text[node.start : node.end]
            assert written.endswith(node.text)
