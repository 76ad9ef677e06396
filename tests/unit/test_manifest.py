"""What a manifest declares, and what is said about one that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from docs import generate_manifest_reference as reference
from zmig.errors import ManifestError
from zmig.manifest import reader, schema
from zmig.manifest.declaration import DatabaseUrl, EmbeddedDatabase, Manifest, Tracking
from zmig.model import Environment, Kind, Repeat, RepeatRule, Retry, Settings
from zmig.presentation.problems import problem_text
from zmig.project import inclusion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BAD_MANIFESTS = sorted(Path(__file__).with_name("bad_manifests").glob("*.yaml"))
EXAMPLES = sorted((Path(__file__).parents[2] / "manifests").glob("*.yaml"))
ENVIRON = {"EMPTY": "", "SET": "set", "LINES": "a\nb"}


def read(text: str, environ: Mapping[str, str] | None = None) -> Manifest:
    """The manifest in a text that is not wrong."""
    found = reader.read(text, label="m.yaml", environ=environ or {})
    assert found.problems == ()
    return found


def messages(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    return [problem.message for problem in reader.read(text, label="m.yaml", environ=environ or {}).problems]


def expected(text: str) -> Iterator[tuple[int, str, str]]:
    """The line, the message and the hint that each `#!` comment of a bad manifest announces."""
    for number, line in enumerate(text.split("\n"), start=1):
        for comment in line.split("#! ")[1:]:
            message, _, hint = comment.strip().partition(" => ")
            yield number, message, hint


@pytest.mark.parametrize("path", BAD_MANIFESTS, ids=lambda path: path.stem)
def test_a_bad_manifest_is_told_what_its_comments_say(path: Path) -> None:
    found = inclusion.read(path, environ=ENVIRON)
    with pytest.raises(ManifestError) as caught:
        found.raise_for_problems()
    told = [
        (problem.location.line, problem.message, problem.hint) for problem in caught.value.problems if problem.location
    ]
    assert told == list(expected(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", ["password_misplaced", "password_syntax"])
def test_no_problem_shows_a_password(path: str) -> None:
    (file,) = (bad for bad in BAD_MANIFESTS if bad.stem == path)
    lines = {number for number, line in enumerate(file.read_text("utf-8").split("\n"), 1) if "secret" in line}
    problems = inclusion.read(file, environ=ENVIRON).problems
    assert lines == {problem.location.line for problem in problems if problem.location} & lines != set()
    assert "secret" not in "".join(map(problem_text, problems))


def test_the_mark_stands_under_what_is_wrong() -> None:
    text = "manifest: 1\nmigrations:\n  - version: 1\n    file: '數據.sql'\n    kind: sqll # no\n"
    (problem,) = reader.read(text, label="m.yaml", environ={}).problems
    assert problem_text(problem) == "\n".join(
        [
            "error: manifest entry `數據` has an unknown kind `sqll`",
            "  --> m.yaml:5:11",
            "   |",
            " 5 |     kind: sqll # no",
            "   |           ^^^^",
            "   = kinds: sql, python, repeatable",
            "hint: write `kind: sql`",
        ]
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_accepted(path: Path) -> None:
    assert inclusion.read(path, environ={}).problems == []


def test_everything_a_manifest_can_say_is_read() -> None:
    found = read(
        """
manifest: 1
name: shop
environment: staging
database: {embedded: ../.zmig/postgres}
tracking: {schema: public, owner: deploy, stuck_after: 2h, record_detail: true, allow_existing: true}
include: [base.yaml]
defaults: {lock_timeout: 500ms, retry: {attempts: 3}}
migrations:
  - version: 0010
    file: ../migrations/010_a.sql
    name: ten
    kind: repeatable
    rollback: ../migrations/010_a.rollback.sql
    repeat: {condition: select true}
    transaction: false
    description: what it is for
    statement_timeout: 1d
    retry: {backoff: 0, max_backoff: 5min}
"""
    )
    assert (found.name, found.environment) == ("shop", Environment.STAGING)
    assert found.database == EmbeddedDatabase(Path("../.zmig/postgres"))
    assert found.tracking == Tracking(
        schema="public", stuck_after_seconds=7200.0, record_detail=True, owner="deploy", allow_existing=True
    )
    assert [include.path for include in found.includes] == ["base.yaml"]
    (entry,) = found.declarations
    assert (entry.version, entry.name, entry.kind) == (10, "ten", Kind.REPEATABLE)
    assert (entry.file, entry.rollback) == ("../migrations/010_a.sql", "../migrations/010_a.rollback.sql")
    assert entry.repeat == Repeat(RepeatRule.CONDITION, "select true")
    assert (entry.transaction, entry.description) == (False, "what it is for")
    assert entry.settings == Settings(0.5, 86400.0, Retry(3, 0.0, 300.0))
    assert str(entry.location("kind")) == "m.yaml:13:11"
    assert str(entry.location("lock_timeout")) == "m.yaml:10:5"


def test_what_a_manifest_does_not_say_has_a_safe_default() -> None:
    found = read("manifest: 1\nmigrations:\n  - {version: 1, file: a/001_users.sql}\n")
    assert found.environment is Environment.PRODUCTION
    assert (found.database, found.tracking) == (
        None,
        Tracking(schema="zmig", stuck_after_seconds=600.0, record_detail=False),
    )
    (entry,) = found.declarations
    assert (entry.name, entry.effective_kind) == ("001_users", Kind.SQL)
    assert entry.settings == Settings(3.0, 900.0, Retry(5, 1.0, 30.0))
    assert (entry.repeat, entry.rollback, entry.transaction) == (None, None, None)


@pytest.mark.parametrize("text", ["manifest: 1", "manifest: 1\nmigrations:", "manifest: 1\nmigrations: []"])
def test_a_manifest_may_declare_nothing(text: str) -> None:
    assert read(text).declarations == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "0": 0,
        "'0'": 0,
        "0s": 0,
        "1ms": 0.001,
        "500ms": 0.5,
        "3s": 3,
        "15min": 900,
        "2h": 7200,
        "24d": 2_073_600,
    }.items(),
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read(f"manifest: 1\ntracking: {{stuck_after: {text}}}").tracking.stuck_after_seconds == seconds


@pytest.mark.parametrize(
    "text", ["3", "3 s", "1.5s", "3S", "-1s", "3m", "soon", "''", "'3s '", '"3s\\n"', "٣s", "1e3s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    (message,) = messages(f"manifest: 1\ntracking: {{stuck_after: {text}}}")
    assert message.endswith(", not a duration")


def test_variables_are_taken_from_the_environment() -> None:
    found = read(
        "manifest: 1\nname: ${A}-${A}$${A}$A\ntracking: {schema: '${B}'}\ninclude: ['${A}/x.yaml']\n"
        "migrations: [{version: 1, file: '${A}/${B}.sql', name: one, rollback: '${B}.sql', description: '$${A}'}]",
        {"A": "shop", "B": "b c"},
    )
    assert found.name == "shop-shop${A}$A"
    assert found.tracking.schema == "b c"
    assert found.includes[0].path == "shop/x.yaml"
    (entry,) = found.declarations
    assert (entry.file, entry.rollback, entry.description) == ("shop/b c.sql", "b c.sql", "${A}")


def test_a_name_is_never_taken_from_a_variable() -> None:
    entry = "manifest: 1\nmigrations: [{version: 1, file: '../${SET}.sql'%s}]"
    assert messages(entry % "", ENVIRON) == ["manifest entry `${SET}` needs a name: none can be taken from its file"]
    assert messages(entry % ", name: one", ENVIRON) == []


def test_an_unset_variable_is_marked_where_it_stands() -> None:
    text = 'manifest: 1\ninclude:\n  - "a/$${A}/${B}/${A}.yaml"\n'
    problems = reader.read(text, label="m.yaml", environ={}).problems
    marked = [
        problem.location.text[problem.location.column - 1 :][: problem.location.width]
        for problem in problems
        if problem.location and problem.location.text
    ]
    assert marked == ["${B}", "${A}"]


def url_of(text: str) -> DatabaseUrl:
    found = read(f"manifest: 1\ndatabase:\n  url: {text}\n").database
    assert isinstance(found, DatabaseUrl)
    return found


def test_the_url_is_resolved_only_when_it_is_asked_for() -> None:
    url = url_of("postgresql://${DB_USER}:${DB_PASSWORD}@localhost/shop")
    environ = {"DB_USER": "me", "DB_PASSWORD": "secret"}
    assert url.resolve(environ) == "postgresql://me:secret@localhost/shop"
    with pytest.raises(ManifestError) as caught:
        url.resolve({"DB_PASSWORD": ""})
    assert [problem.message for problem in caught.value.problems] == [
        "`database.url` cannot be used: the variable `DB_USER` is not set",
        "`database.url` cannot be used: the variable `DB_PASSWORD` is set but empty",
    ]
    assert {problem.code for problem in caught.value.problems} == {"variable-unset"}


def test_a_password_in_the_manifest_is_shown_by_no_value() -> None:
    text = "manifest: 1\ndatabase: {url: 'postgresql://me:secret@localhost/shop'}"
    found = read(text)
    assert "secret" not in repr(found)
    assert isinstance(found.database, DatabaseUrl)
    assert found.database.declared_at.text is None


def test_a_value_of_the_environment_is_in_no_problem() -> None:
    text = "manifest: 1\nmigrations: [{version: 1, file: '${DIR}/a.txt', name: a, rollback: '${DIR}/a.txt'}]"
    found = reader.read(text, label="m.yaml", environ={"DIR": "hidden"})
    assert found.problems
    for problem in found.problems:
        assert "hidden" not in problem_text(problem)


def test_only_the_given_manifest_needs_the_variables_that_do_not_count_in_an_included_one() -> None:
    text = "manifest: 1\nname: ${A}\ntracking: {schema: '${B}'}\ndatabase: {embedded: '${C}'}\ninclude: ['${D}']"
    found = reader.read(text, label="m.yaml", environ={}, is_included=True)
    assert [problem.message for problem in found.problems] == ["the variable `D` is not set"]


def test_every_part_of_the_schema_is_described_and_its_examples_fit_it() -> None:
    document = schema.load("manifest")
    jsonschema.Draft202012Validator.check_schema(document)
    for name, part in parts(document):
        assert part.get("description") or "$ref" in part, name
        assert part.get("examples") or "$ref" in part, name
        assert part.get("additionalProperties", False) is False, name
        for example in part.get("examples", []):
            jsonschema.validate(example, {"$defs": document["$defs"], **part}, jsonschema.Draft202012Validator)


def parts(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property and every definition of a schema."""
    for keyword in ("properties", "$defs"):
        for name, part in document.get(keyword, {}).items():
            yield name, part
            yield from parts(part)


def test_the_schema_has_a_version_and_the_example_manifests_point_to_it() -> None:
    assert schema.load("manifest")["$id"] == "urn:zmig:schema:manifest:1"
    for path in EXAMPLES:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / named).resolve() == schema.path("manifest").resolve()


def test_the_manifest_reference_is_what_the_schema_says() -> None:
    command = "`python docs/generate_manifest_reference.py` writes it anew"
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), command


def test_every_entry_is_told_what_is_wrong_with_it() -> None:
    entries = "- {version: a, file: 3, kind: x}\n" * 500
    problems = reader.read(f"manifest: 1\nmigrations:\n{entries}", label="m.yaml", environ={}).problems
    assert len(problems) == 1500
    assert {problem.hint for problem in problems} == {"write `version: 1`", 'write `file: "3"`', "write `kind: sql`"}
