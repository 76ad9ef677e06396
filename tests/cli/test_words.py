"""What a command line may consist of, and what it is told when it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.process import run as run_process
from zmig import __version__
from zmig.cli import parser
from zmig.cli.registry import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def test_version_is_told_on_stdout(run: Run) -> None:
    assert run("--version").stdout == f"zmig {__version__}\n"


def test_without_words_the_overview_goes_to_stderr_and_the_exit_code_is_2(run: Run) -> None:
    ended = run()
    assert (ended.code, ended.stdout) == (2, "")
    assert "usage: zmig COMMAND [MANIFEST] [options]" in ended.stderr


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_overview_on_request_is_data(run: Run, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.code, ended.stderr) == (0, "")
    assert "apply what is pending" in ended.stdout


def test_help_of_a_command_can_be_asked_for_in_two_ways(run: Run) -> None:
    assert run("help", "apply") == run("apply", "--help") == run("apply", "shop.yaml", "-h")


def test_module_is_the_command() -> None:
    assert run_process("--version").stdout == f"zmig {__version__}\n"


def test_no_guess_names_a_command_that_takes_away_or_records() -> None:
    words = [command[:cut] + command[cut + 1 :] for command in COMMANDS for cut in range(len(command))]
    hints = {parser.likely_command(word) for word in words if word not in COMMANDS}
    for command in ("reset", "rollback", "resolve", "accept", "baseline", "retry"):
        assert f"write `zmig {command}`" not in hints


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("aply", "unknown command `aply`", "write `zmig apply`"),
        ("frobnicate", "unknown command `frobnicate`", "see the commands with `zmig help`"),
        ("help aply", "unknown command `aply`", "write `zmig apply`"),
        ("rollbak", "unknown command `rollbak`", "see the commands with `zmig help`"),
        ("test", "unknown command `test`", "see the commands with `zmig help`"),
        ("setup", "unknown command `setup`", "write `zmig init`"),
        ("adopt", "unknown command `adopt`", "write `zmig import`"),
        ("clean", "unknown command `clean`", "see the commands with `zmig help`"),
        ("migrate", "unknown command `migrate`", "write `zmig apply`"),
        ("up", "unknown command `up`", "write `zmig apply`"),
        ("upgrade", "unknown command `upgrade`", "write `zmig apply`"),
        ("down", "unknown command `down`", "see `zmig rollback --help`"),
        ("undo", "unknown command `undo`", "see `zmig rollback --help`"),
        ("new", "unknown command `new`", "write `zmig create`"),
        ("generate", "unknown command `generate`", "write `zmig create`"),
        ("info", "unknown command `info`", "write `zmig status`"),
        ("list", "unknown command `list`", "write `zmig status`"),
        ("current", "unknown command `current`", "write `zmig version`"),
        ("validate", "unknown command `validate`", "write `zmig lint`"),
        ("stamp", "unknown command `stamp`", "see `zmig baseline --help`"),
        ("apply --data x", "`zmig apply` has no option `--data`", "see the options with `zmig apply --help`"),
        ("apply --allow-exist", "`zmig apply` has no option `--allow-exist`", "see the options with"),
        ("--quiet status", "option `--quiet` is before the command", "write `zmig COMMAND --quiet`"),
        ("apply --dryrun", "`zmig apply` has no option `--dryrun`", "write `--dry-run`"),
        ("apply --dry", "`zmig apply` has no option `--dry`", "write `--dry-run`"),
        ("apply --xyz=3", "`zmig apply` has no option `--xyz`", "see the options with `zmig apply --help`"),
        (
            "apply a.yaml b.yaml",
            "`zmig apply` takes one manifest: `b.yaml` is one word too many",
            "`zmig apply --help`",
        ),
        ("apply --to", "option `--to`: expected one argument", "see `zmig apply --help`"),
        ("apply --to x", "`x` does not fit option `--to`", "a version is a whole number, such as 12"),
        ("apply --to -1", "`-1` does not fit option `--to`", "a version is a whole number, such as 12"),
        ("apply --lock-wait 10m", "`10m` does not fit option `--lock-wait`", "such as `10min`"),
        ("rollback --steps 0", "`0` does not fit option `--steps`", "write a whole number from 1 on"),
        ("rollback --steps 1 --to 3", "`--to` and `--steps` exclude each other", "write one of them"),
        ("resolve", "`zmig resolve` needs `--as done|failed|pending`", "see `zmig resolve --help`"),
        ("accept --reason x", "`zmig accept` takes one name or more, and none is given", "see `zmig accept --help`"),
        ("pause a b", "`zmig pause` takes one name at most, and got 2", "see `zmig pause --help`"),
        ("resume m.yaml a b", "`zmig resume` takes one name at most, and got 2", "see `zmig resume --help`"),
        ("baseline --reason x", "`zmig baseline` needs `--to VERSION`", "see `zmig baseline --help`"),
        ("create --python --repeatable x", "`--python` and `--repeatable` exclude each other", "write one of them"),
        (
            "lint --format xml",
            "unknown format `xml`: text, json, github, gitlab, sarif, junit, rdjson, rdjsonl",
            "`--format json`",
        ),
        ("lint --fail-on all", "unknown fail-on `all`: note, warning, error, never", "write `--fail-on warning`"),
        ("db", "`zmig db` needs an action: start, stop, url, psql", "write `zmig db start`"),
        ("migrate status", "unknown command `migrate`", "write `zmig status`"),
        ("migrate dev --name x", "unknown command `migrate`", "write `zmig create`"),
        ("migrate -path db -database x up", "unknown command `migrate`", "write `zmig apply`"),
        ("migrate resolve --applied x", "unknown command `migrate`", "see `zmig resolve --help`"),
        ("migrate reset", "unknown command `migrate`", "see the commands with `zmig help`"),
        ("migrate shop", "unknown command `migrate`", "write `zmig apply`"),
        ("migrate:rollback", "unknown command `migrate:rollback`", "see `zmig rollback --help`"),
        ("migrate:latest", "unknown command `migrate:latest`", "write `zmig apply`"),
        ("db:migrate", "unknown command `db:migrate`", "write `zmig apply`"),
        ("db:migrate:status", "unknown command `db:migrate:status`", "write `zmig status`"),
        ("db:migrate:down", "unknown command `db:migrate:down`", "see `zmig rollback --help`"),
        ("migration list", "unknown command `migration`", "write `zmig status`"),
        ("migration repair", "unknown command `migration`", "see the commands with `zmig help`"),
        ("db push", "`zmig db` has no action `push`: start, stop, url, psql", "write `zmig apply`"),
        ("db reset", "`zmig db` has no action `reset`: start, stop, url, psql", "see the commands with `zmig help`"),
        ("db frobnicate", "`zmig db` has no action `frobnicate`: start, stop, url, psql", "write `zmig db start`"),
        ("db stopp", "`zmig db` has no action `stopp`: start, stop, url, psql", "write `zmig db stop`"),
    ],
)
def test_words_that_do_not_fit_are_refused_with_what_comes_near(
    run: Run, empty: Path, words: str, message: str, hint: str
) -> None:
    (empty / "m.yaml").write_text("manifest: 1\n")
    ended = run(*words.split())
    first, *_, last = ended.stderr.splitlines()
    assert (ended.code, ended.stdout, first) == (2, "", f"error: {message}")
    assert last.startswith("hint: ")
    assert hint in last


def test_options_may_stand_between_the_words(run: Run, empty: Path) -> None:
    ended = run("resolve", "shop.yaml", "--as", "done", "0001", "--reason", "by hand")
    assert "the manifest `shop.yaml` does not exist" in ended.stderr


def test_refused_words_are_one_document_where_json_is_wanted(run: Run) -> None:
    import json

    ended = run("apply", "--json", "--to", "x")
    document = json.loads(ended.stdout)
    assert document["exit_code"] == ended.code == 2
    assert document["error"] == document["problems"][0]
    assert document["error"]["code"] == "usage"
