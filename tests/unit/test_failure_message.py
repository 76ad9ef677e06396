"""What an exception of a migration's own code becomes, and an interruption."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

import psycopg
import pytest

from zmig.errors import Location, Problem, ZmigError
from zmig.presentation.problems import problem_text
from zmig.process.interrupts import Interrupted
from zmig.python import locations
from zmig.running import failure_message
from zmig.running.attempt import Place
from zmig.running.failure_message import Failure
from zmig.sql import script
from zmig.text.secrets import Redactor

if TYPE_CHECKING:
    from pathlib import Path


def _explain(error: BaseException, place: Place) -> Failure:
    return failure_message.explain(error, place, redact=Redactor("hunter2"), record_detail=False, seconds=1.24)


def _raised_by(path: Path, source: str) -> BaseException:
    """Run a Python file's `execute` and return what it raises."""
    path.write_text(source, encoding="utf-8")
    names: dict[str, object] = {}
    try:
        exec(compile(source, str(path), "exec"), names)
        eval("execute(None)", names)
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def _failure_of(path: Path, source: str) -> Failure:
    return _explain(_raised_by(path, source), Place(str(path)))


def test_an_exception_is_told_with_its_message_its_type_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "003_seed.py"
    found = _failure_of(path, "def execute(ctx):\n    total = 1\n    raise ValueError('no users to seed')\n")
    line = "    raise ValueError('no users to seed')"
    assert found == Failure(
        "no users to seed",
        None,
        Location(str(path), 3, 5, text=line, width=len(line) - 4),
        facts=("raised as ValueError, after 1.2 s",),
        error={
            "message": "no users to seed",
            "sqlstate": None,
            "exception": "ValueError",
            "location": f"{path}:3:5",
            "file": str(path),
            "line": 3,
            "column": 5,
        },
    )
    assert not found.is_retryable


def test_the_marked_part_counts_characters_not_bytes(tmp_path: Path) -> None:
    found = _failure_of(tmp_path / "a.py", "def execute(ctx):\n    name = 'é日本'; x = 1 / 0\n")
    text = problem_text(Problem("x", found.message, found.location))
    assert text.split("\n")[3:] == [
        " 2 |     name = 'é日本'; x = 1 / 0",
        "   |                         ^^^^^",
    ]


def test_the_last_line_of_the_migrations_own_file_is_named_not_that_of_a_library(tmp_path: Path) -> None:
    source = "import json\ndef execute(ctx):\n    helper()\ndef helper():\n    json.loads('{')\n"
    found = _failure_of(tmp_path / "a.py", source)
    assert found.location is not None
    assert (found.location.line, found.location.text) == (5, "    json.loads('{')")


def test_an_expression_over_several_lines_is_marked_where_it_begins(tmp_path: Path) -> None:
    found = _failure_of(tmp_path / "a.py", "def execute(ctx):\n    int(\n        'x'\n    )\n")
    assert found.location is not None
    assert (found.location.line, found.location.column, found.location.width) == (2, 5, 1)


def test_a_file_edited_since_it_was_loaded_before_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    _failure_of(path, "def execute(ctx):\n    int('first')\n")
    found = _failure_of(path, "def execute(ctx):\n    int('second attempt')\n")
    assert found.location is not None
    assert found.location.text == "    int('second attempt')"


def test_an_exception_that_went_through_no_line_of_the_file_has_no_place(tmp_path: Path) -> None:
    assert _explain(ValueError("x"), Place(str(tmp_path / "a.py"))).location is None


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


@pytest.mark.parametrize("error", [_Mute(), _Mute(""), type("_Mute", (Exception,), {})()])
def test_an_exception_that_says_nothing_is_told_by_its_type(error: Exception) -> None:
    assert _explain(error, Place("a.py")).message == "_Mute"


def test_secrets_stay_out_of_message_line_and_fact(tmp_path: Path) -> None:
    source = "def execute(ctx):\n    url = 'postgresql://app:s3cret@db/shop'; raise OSError(f'{url} refused hunter2')\n"
    found = _failure_of(tmp_path / "a.py", source)
    assert found.message == "postgresql://app:***@db/shop refused ***"
    assert found.location is not None
    assert found.location.text is None
    assert "s3cret" not in repr(found)
    assert "hunter2" not in repr(found)


def test_a_message_of_a_megabyte_is_cut() -> None:
    found = _explain(ValueError("x" * 1_000_000), Place("a.py"))
    assert found.message == "x" * 4000 + "… (996000 characters more)"
    assert found.error["message"] == found.message


def test_an_error_of_the_client_without_sqlstate_says_so() -> None:
    found = _explain(psycopg.OperationalError("the connection is closed"), Place("a.sql"))
    assert (found.message, found.sqlstate) == ("the connection is closed", None)
    assert found.facts == ("raised by psycopg, after 1.2 s",)


@pytest.mark.parametrize(
    ("error", "message", "name"),
    [
        (Interrupted(SIGTERM), "interrupted by SIGTERM", "SIGTERM"),
        (Interrupted(), "interrupted by SIGINT", "SIGINT"),
        (KeyboardInterrupt(), "interrupted", "SIGINT"),
    ],
)
def test_an_interruption_names_the_statement_it_cut_off(error: BaseException, message: str, name: str) -> None:
    text = "select 1;\nselect pg_sleep(60);\n"
    statements = list(script.split(text, path="a.sql"))
    found = _explain(error, Place("a.sql", text, statements[1], total=2))
    assert found.message == message
    assert found.facts == ("statement 2 of 2, after 1.2 s",)
    assert found.error == {
        "message": message,
        "sqlstate": None,
        "interrupted": name,
        "statement": 2,
        "statements": 2,
        "location": "a.sql:2:1",
        "file": "a.sql",
        "line": 2,
        "column": 1,
    }


def test_an_error_of_zmig_keeps_its_code_its_place_and_its_facts() -> None:
    problem = Problem("lock-lost", "it released the lock", Location("a.sql", 7, 3), facts=("since 14:02",))
    found = _explain(ZmigError(problem), Place("a.sql"))
    assert found.location == problem.location
    assert found.facts == ("after 1.2 s", "since 14:02")
    assert (found.error["code"], found.error["location"]) == ("lock-lost", "a.sql:7:3")


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("import nothing_of_that_name\n", "ModuleNotFoundError: No module named 'nothing_of_that_name'", "1:1"),
        ("x = 1\ndef broken(:\n", "SyntaxError: invalid syntax", "2:12"),
        ("y = 2\nz = y / 0\n", "ZeroDivisionError: division by zero", "2:5"),
    ],
)
def test_a_file_that_does_not_import_is_told_with_the_line(
    tmp_path: Path, source: str, message: str, place: str
) -> None:
    path = tmp_path / "a.py"
    problem = locations.code_error(path, _raised_by(path, source))
    assert problem.message.startswith(f"Python file `{path}` does not import: {message}")
    assert str(problem.location) == f"{path}:{place}"
    assert problem.location is not None
    assert problem.location.text == source.splitlines()[problem.location.line - 1]
