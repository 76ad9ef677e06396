"""With `--json`, stdout is one JSON document and stderr exactly one JSON object a line, whatever happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from tests.support.process import run as run_process

if TYPE_CHECKING:
    from tests.cli.conftest import Run
    from tests.support.process import Ended
    from tests.support.shop import Shop

PRINTING = """
import logging, sys, warnings

print("imported")

def execute(ctx):
    print("to stdout")
    print("in two", end=" ")
    print("parts")
    print("to stderr", file=sys.stderr)
    sys.stdout.buffer.write("grüße\\n".encode())
    warnings.warn("a warning")
    logging.getLogger("shop").warning("an entry of a log")
    ctx.log.info("an entry of zmig's log")
    ctx.execute("do $$ begin raise notice 'a notice'; end $$")
    sys.stdout.close()
    print("without an end", end="")
"""

SHOULD_REPEAT = """
def execute(ctx):
    pass

def should_repeat(ctx, last_run):
    print("asked")
    return False
"""


def objects(ended: Ended) -> list[dict[str, object]]:
    """Return the objects on stderr; raises where a line is none."""
    found = [json.loads(line) for line in ended.stderr.splitlines()]
    assert all(isinstance(one, dict) for one in found)
    return cast("list[dict[str, object]]", found)


def test_what_a_python_migration_prints_is_an_object_a_line(shop: Shop) -> None:
    shop.add(1, "001_print.py", PRINTING)
    ended = run_process("apply", "shop.yaml", "--json", cwd=shop.folder)
    assert ended.code == 0, ended.stderr
    assert json.loads(ended.stdout)["completed"] == ["001_print"]
    told = objects(ended)
    printed = [(one["stream"], one["printed"]) for one in told if "printed" in one]
    assert printed[:5] == [
        ("stdout", "imported"),
        ("stdout", "to stdout"),
        ("stdout", "in two parts"),
        ("stderr", "to stderr"),
        ("stdout", "grüße"),
    ]
    assert "UserWarning: a warning" in str(printed[5])
    assert ("stderr", "an entry of a log") in printed
    assert printed[-1] == ("stdout", "without an end")
    assert [one["message"] for one in told if one.get("progress") == "notice"] == ["an entry of zmig's log", "a notice"]


def test_what_should_repeat_prints_does_not_reach_the_document(shop: Shop, run: Run) -> None:
    shop.add(1, "001_refresh.py", SHOULD_REPEAT, kind="repeatable")
    assert run("apply", "shop.yaml", "--json").code == 0
    ended = run("status", "shop.yaml", "--json")
    assert json.loads(ended.stdout)["applied"] == ["001_refresh"]
    assert objects(ended) == [{"printed": "asked", "stream": "stdout"}]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["apply", "shop.yaml", "--json"], "migration-failed"),
        (["apply", "shop.yaml", "--json", "--verbose"], "migration-failed"),
        (["apply", "shop.yaml", "--json", "--quiet"], "migration-failed"),
        (["apply", "nosuch.yaml", "--json"], "manifest-missing"),
        (["apply", "shop.yaml", "--json", "--nosuch"], "usage"),
        (["nosuch", "--json"], "usage"),
        (["accept", "shop.yaml", "nosuch", "--json"], None),
        (["rollback", "shop.yaml", "--to", "9", "--json"], None),
        (["plan", "shop.yaml", "--json", "--rehearse"], None),
    ],
    ids=str,
)
def test_an_error_is_an_object(shop: Shop, run: Run, words: list[str], code: str | None) -> None:
    shop.add(1, "001_fail", "select 1;\nselect nosuch;")
    ended = run(*words)
    told = [cast("dict[str, object]", one["problem"]) for one in objects(ended) if "problem" in one]
    assert told, ended
    if code is not None:
        assert (ended.code, [problem["code"] for problem in told]) != (0, [])
        assert told[0]["code"] == code
        assert json.loads(ended.stdout)["error"]["code"] == code


def test_what_a_command_notes_is_an_object(shop: Shop, run: Run) -> None:
    shop.add(1, "001_one", "select 1;")
    assert objects(run("baseline", "shop.yaml", "--to", "1", "--reason", "made by hand", "--json")) == [
        {"note": "recorded as applied: 001_one"},
        {"note": "1 migration recorded, nothing was run"},
    ]
    assert objects(run("apply", "shop.yaml", "--json")) == [{"note": "nothing to apply"}]
