"""Help texts: complete, narrow enough, and true; their examples run as they are printed."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support import manual
from tests.support.process import ROOT
from tests.support.process import run as run_process
from zmig.cli import help
from zmig.cli.registry import COMMANDS
from zmig.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

EXAMPLES = [(name, example) for name, entry in COMMANDS.items() if name != "tui" for example in entry.load().examples]
"""All but the console's, which needs a person."""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_in_an_example_of_the_command(run: Run, name: str) -> None:
    lines = run(name, "--help").stdout.splitlines()
    assert lines[0].startswith(f"usage: zmig {name} ")
    assert lines[-1].startswith(f"  zmig {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_a_narrow_terminal(run: Run, name: str) -> None:
    text = run(name, "--help").stdout
    assert [line for line in text.splitlines() if len(line) > 80 and not line.startswith("  zmig ")] == []


def test_overview_names_every_command_and_fits() -> None:
    text = help.overview()
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert max(map(len, text.splitlines())) <= 80


def test_page_of_commands_says_what_the_command_line_says() -> None:
    assert manual.FILE.read_text(encoding="utf-8") == manual.text(), "run `python -m tests.support.manual`"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the example project, whose private server runs through all the tests."""
    folder = tmp_path_factory.mktemp("example")
    yield folder
    EmbeddedServer(folder / ".zmig" / "postgres").stop()


@pytest.fixture
def example(place: Path, run: Run, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example project, applied."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere.invalid/users")
    for name in ("manifests", "migrations"):
        shutil.rmtree(place / name, ignore_errors=True)
        shutil.copytree(ROOT / name, place / name)
    assert run("reset", "manifests/demo.yaml", "--confirm", "postgres").code == 0
    assert run("apply", "manifests/demo.yaml").code == 0
    return place


def declare_batched(example: Path, name: str) -> None:
    """Add a migration that runs in rounds."""
    text = "delete from users where id in (select id from users limit :size)"
    (example / "migrations" / f"{name}.sql").write_text(text)
    entry = f"migrations:\n  - {{version: {int(name[:3])}, file: ../migrations/{name}.sql, batch: {{size: 10}}}}\n"
    manifest = example / "manifests" / "demo.yaml"
    manifest.write_text(manifest.read_text() + entry)


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_example_runs_as_printed(example: Path, run: Run, name: str, line: str) -> None:
    if name == "accept":
        file = example / "migrations" / "001_create_eventstore.sql"
        file.write_text(f"{file.read_text()}\n-- a comment\n")
    if name in ("pause", "resume"):
        declare_batched(example, "092_backfill")
    if name == "resume":
        assert run("pause", "manifests/demo.yaml", "092_backfill").code == 0
    if name == "import":
        file = example / "db" / "migrations" / "20240131120000_users.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("-- migrate:up\ncreate table people (id int);\n-- migrate:down\ndrop table people;\n")
        with psycopg.connect(run("db", "url", "manifests/demo.yaml").stdout.strip()) as connection:
            connection.execute("create table schema_migrations (version varchar(128) primary key)")
    program, *words = shlex.split(line)
    assert program == "zmig"
    becomes_another_program = words[:2] == ["db", "psql"]
    ended = run_process(*words) if becomes_another_program else run(*words)
    assert ended.code == 0, ended.stderr
