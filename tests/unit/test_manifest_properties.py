"""What holds for every manifest: the quick check and the JSON Schema agree, and any text ends well."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zmig.errors import ManifestError
from zmig.manifest import reader, schema_errors, yaml_parser
from zmig.presentation.problems import problem_text
from zmig.project.project import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANYTHING: list[Any] = [
    None, True, False, 0, 1, -1, 7, 1.0, 1.5, 2**63 - 1, 2**63, 10**30, "", " ", "a", " a", "a ", "a b", "a\n", "\n",
    "a\tb", "é", "數據", "x" * 200, "x" * 201, "1", "0", "true", "null", "3s", "0s", "3 s", "3s\n", "3m", "3min",
    "٣s", "99999999999d", "sql", "python", "repeatable", "SQL", "checksum", "checksum\n", "production", "test",
    "staging\n", "a.sql", "../a/b.py", [], {}, ["a.yaml"], ["a.yaml", 3], [[]], {"url": "x"}, {"embedded": "x"},
    {"url": "x", "embedded": "y"}, {"condition": "x"}, {"condition": ""}, {"condition": None}, {"attempts": 3},
    {"attempts": 0}, {"file": "a.sql"}, {"attempts": 1001}, {"a": 1}, {"a b": "x"}, {"_1": "x"}, "x" * 64,
]  # fmt: skip
"""Values that fit somewhere, nearly fit, or fit nowhere."""

RETRY: dict[str, list[Any]] = {"attempts": [1, 5, 1000], "backoff": ["1s", 0], "max_backoff": ["30s", "0"]}
SETTINGS: dict[str, list[Any]] = {
    "lock_timeout": ["3s", "500ms", 0],
    "statement_timeout": ["15min", "1d"],
    "retry": [RETRY],
    "run_as": ["owner", "x" * 63],
}
ENTRY: dict[str, list[Any]] = {
    "version": [1, 2, 90, 2**63 - 1],
    "file": ["a.sql", "../migrations/b.py"],
    "name": ["a", "two words", "數據"],
    "kind": ["sql", "python", "repeatable"],
    "rollback": ["a.rollback.sql"],
    "repeat": ["checksum", {"condition": ["select true"]}],
    "verify": ["select true", "", {"file": ["a.sql", ""]}, {"query": ["select true"]}],
    "transaction": [True, False],
    "description": ["", "what it\nis for"],
    "variables": [True, False],
    "origin": [{"flyway": ["1.2", ["1.2", "1.3"]]}, {"sqitch": ["1", []], "node-pg-migrate": ["x", [""], [1]]}],
    "replaces": ["1..12", "1..4, 6,8..12", "1", "5..1", "1..", "01", "1,\n2", f"1..{2**63 - 1}"],
    "batch": [
        {"size": [1, 10_000_000], "start": [0, "", "a", -5], "pause": ["50ms", 0], "total": ["x"], "max_lag": ["1s"]}
    ],
    **SETTINGS,
}
MANIFEST: dict[str, list[Any]] = {
    "manifest": [1],
    "name": ["shop"],
    "environment": ["production", "test"],
    "database": [{"url": ["${DATABASE_URL}"]}, {"embedded": ["x"]}],
    "tracking": [
        {
            "schema": ["zmig"],
            "owner": ["deploy"],
            "stuck_after": ["10min", 0],
            "record_detail": [True],
            "allow_existing": [False],
        }
    ],
    "include": [[], ["base.yaml"]],
    "variables": [{}, {"schema": ["shop", "${A}"]}],
    "import": [
        {"leave_out": [{}, {"dbmate": [[], ["20240131120000_seed", "b"]], "sqitch": [["x"]]}]},
    ],
    "defaults": [SETTINGS],
    "verify": [
        {
            "schemas": [[], ["public", "shop_*"], [3]],
            "ignore": [[], ["public.events_p*"]],
            "record": [True, False],
            "any_version": [True],
            "column_order": ["note", "error", "warning"],
        }
    ],
    "schema": [{"file": ["../schema.sql"]}],
    "lint": [
        {
            "postgres_version": [10, 16, 99],
            "severity": [{}, {"index/unnamed": ["off", "error"]}],
            "start": ["../schema.sql"],
        }
    ],
}
REQUIRED = {"manifest", "version", "file", "condition", "url", "embedded"}


Form = dict[str, list[Any]]


def made(form: Form | str | float, random: Random) -> Any:
    """A value of a form: a mapping of choices, a value as it is, or now and then anything at all."""
    if random.random() < 0.03:
        return random.choice(ANYTHING)
    return made_mapping(form, random) if isinstance(form, dict) else form


def made_mapping(form: Form, random: Random) -> dict[str, Any]:
    keys = [key for key in form if random.random() < (0.97 if key in REQUIRED else 0.3)]
    found = {key: made(random.choice(form[key]), random) for key in keys}
    if random.random() < 0.04:
        found[random.choice(["x", "Name", "version", "lock_timeout", ""])] = random.choice(ANYTHING)
    return found


def made_manifest(seed: int) -> Any:
    random = Random(seed)
    if random.random() < 0.01:
        return random.choice(ANYTHING)
    migrations = random.choice([None, [], *([made(ENTRY, random) for _ in range(count)] for count in range(1, 4))])
    return {**made_mapping(MANIFEST, random), "migrations": migrations}


@pytest.mark.parametrize("block", range(4))
def test_the_quick_check_accepts_exactly_what_the_schema_accepts(block: int) -> None:
    validator = schema_errors.validator()
    accepted = 0
    for seed in range(block * 500, block * 500 + 500):
        text = json.dumps(made_manifest(seed), ensure_ascii=False)
        root = yaml_parser.parse(text, label="m.yaml").root
        assert root is not None
        fits_the_schema = next(validator.iter_errors(schema_errors.plain(root)), None) is None
        problems = reader.read(text, label="m.yaml", environ={}).problems
        assert fits_the_schema == all(problem.code != "manifest-invalid" for problem in problems), text
        accepted += fits_the_schema
    assert 150 < accepted < 350, "half of the manifests are meant to be right"


def each_key(form: Form, *above: str) -> Iterator[tuple[str, ...]]:
    """Yield where every key of a form may be, and what is in the first mapping that it may have."""
    for key, choices in form.items():
        yield (*above, key)
        for choice in choices:
            if isinstance(choice, dict):
                yield from each_key(cast("Form", choice), *above, key)


def with_value(keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A manifest that is right but for what one key has."""
    *above, key = keys
    entry: dict[str, Any] = {"version": 1, "file": "a.sql"}
    document: dict[str, Any] = {"manifest": 1, "migrations": [entry]}
    inner = document
    for name in above:
        inner = entry if name == "migrations" else inner.setdefault(name, {})
    inner[key] = value
    return document


KEYS = sorted({*each_key(MANIFEST), *each_key(ENTRY, "migrations")})


@pytest.mark.parametrize("keys", KEYS, ids=".".join)
def test_the_quick_check_and_the_schema_agree_on_any_value_of_each_key(keys: tuple[str, ...]) -> None:
    validator = schema_errors.validator()
    for value in ANYTHING:
        text = json.dumps(with_value(keys, value), ensure_ascii=False)
        root = yaml_parser.parse(text, label="m.yaml").root
        assert root is not None
        fits_the_schema = next(validator.iter_errors(schema_errors.plain(root)), None) is None
        problems = reader.read(text, label="m.yaml", environ={}).problems
        assert fits_the_schema == all(problem.code != "manifest-invalid" for problem in problems), text


FRAGMENTS = [
    "manifest: 1\n", "migrations:\n", "  - version: 1\n", "    file: a.sql\n", "    kind: ", "sql\n", "name: ", "x",
    "\n", " ", "- ", "[", "]", "{", "}", ": ", ", ", "'", '"', "&a ", "*a", "<<: *a\n", "${A}", "${", "$${A}", "#",
    "database:\n  url: ", "include: [m.yaml]\n", "retry: {", "attempts: 0", "0010", "yes", "\t", "\r\n", "\x00",
    "\ufeff", "😀", "!!int ", "---\n", "|\n",
]  # fmt: skip
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join) | st.text(max_size=80)


@settings(max_examples=100, deadline=None)
@given(texts)
@example("manifest: 1\nmigrations: &m [*m]")
@example("manifest: 1\nmigrations: [&e {version: 1, file: a.sql}, *e]")
def test_any_text_is_a_manifest_or_has_problems_with_places(text: str) -> None:
    found = reader.read(text, label="m.yaml", environ={"A": "a"})
    for problem in found.problems:
        assert problem.location is not None
        assert problem.hint
        assert problem_text(problem).startswith("error: ")
    if found.document.root is None:
        assert found.problems


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200) | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(content=b"\xff\xfem\x00a\x00")
@example(content=b"manifest: 1\nname: caf\xe9\n")
@example(content=b"manifest: 1\nname: a\x00b\n")
@example(content=gzip.compress(b"manifest: 1\n", mtime=0))
@example(content=lzma.compress(b"manifest: 1\n"))
@example(content=bz2.compress(b"manifest: 1\n"))
@example(content=b"PK\x03\x04\0\xff")
@example(content=b"PGDMP\0\xff")
def test_any_bytes_are_a_project_or_have_problems_with_places(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "m.yaml"
    path.write_bytes(content)
    try:
        load(path, environ={"A": "a"})
    except ManifestError as error:
        for problem in error.problems:
            assert problem.location is not None
            assert problem.hint
