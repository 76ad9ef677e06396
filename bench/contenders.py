"""The tools, each as the commands that do one workload."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench import workloads

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.workloads import Change

_LOOP = Path(__file__).with_name("loop.py")
_ZMIG = str(Path(sys.executable).with_name("zmig"))
PYTHON_PEERS = ("alembic", "yoyo-migrations", "psycopg[binary]", "psycopg2-binary", "setuptools")


@dataclass(frozen=True, slots=True)
class Contender:
    """One tool: how its files are written, and what is run."""

    name: str
    write: Callable[[Path, list[Change]], None]
    apply: Callable[[Path, str], list[str]]
    again: Callable[[Path, str], list[str]] | None = None
    """With everything applied; None where that is the same command."""
    status: Callable[[Path, str], list[str]] | None = None
    environ: Callable[[str], dict[str, str]] = field(default=lambda _: {})
    version: list[str] = field(default_factory=list[str])


def _write_zmig(folder: Path, changes: list[Change]) -> None:
    workloads.write_plain(folder, changes)
    workloads.write_zmig(folder, changes)


def _zmig(verb: str) -> Callable[[Path, str], list[str]]:
    return lambda folder, url: [_ZMIG, verb, str(folder / "manifest.yaml"), "--database-url", url, "--quiet"]


def ours() -> list[Contender]:
    """Return zmig, and the two it is measured against."""
    psql = shutil.which("psql") or "psql"

    def script(folder: Path, url: str) -> list[str]:
        return [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(folder / "all.psql"), url]

    def look(_: Path, url: str) -> list[str]:
        return [psql, "-X", "-q", "-c", "select * from book", url]

    def loop(verb: str) -> Callable[[Path, str], list[str]]:
        return lambda folder, url: [sys.executable, str(_LOOP), url, str(folder), verb]

    return [
        Contender("zmig", _write_zmig, _zmig("apply"), status=_zmig("status"), version=[_ZMIG, "--version"]),
        Contender("psql", workloads.write_plain, script, look, look, version=[psql, "--version"]),
        Contender(
            "psycopg loop",
            workloads.write_plain,
            loop("apply"),
            status=loop("status"),
            version=[sys.executable, "-c", "pass"],
        ),
    ]


def peers(folder: Path) -> list[Contender]:
    """Install the peers into `folder` where they are missing, and return them."""
    binaries = _python_peers(folder / "python")
    dbmate = _dbmate(folder / "npm")

    def alembic(command: list[str]) -> Callable[[Path, str], list[str]]:
        return lambda work, _: [str(binaries / "alembic"), "-c", str(work / "alembic.ini"), *command]

    def yoyo(command: list[str]) -> Callable[[Path, str], list[str]]:
        return lambda work, url: [
            str(binaries / "yoyo"), command[0], "--batch", "--no-config-file", "-d", url, str(work), *command[1:],
        ]  # fmt: skip

    def mate(command: str) -> Callable[[Path, str], list[str]]:
        return lambda work, url: [dbmate, "--url", url, "-d", str(work), "--no-dump-schema", command]

    return [
        Contender(
            "dbmate", workloads.write_dbmate, mate("migrate"), status=mate("status"), version=[dbmate, "--version"]
        ),
        Contender(
            "alembic",
            workloads.write_alembic,
            alembic(["upgrade", "head"]),
            status=alembic(["current"]),
            environ=lambda url: {"BENCH_SQLALCHEMY_URL": url.replace("postgresql://", "postgresql+psycopg://", 1)},
            version=[str(binaries / "alembic"), "--version"],
        ),
        Contender("yoyo", workloads.write_yoyo, yoyo(["apply"]), status=yoyo(["list"])),
    ]


def versions(contenders: list[Contender]) -> dict[str, str]:
    """Return what each tool says of its version."""
    asked = {one.name: one.version for one in contenders if one.version and one.name != "psycopg loop"}
    if any(one.name == "yoyo" for one in contenders):
        python = str(next(Path(one.version[0]).with_name("python") for one in contenders if one.name == "alembic"))
        asked["yoyo"] = [python, "-c", "from importlib import metadata; print(metadata.version('yoyo-migrations'))"]
    said = {
        name: subprocess.run(command, check=True, capture_output=True, text=True) for name, command in asked.items()
    }
    return {name: (ended.stdout or ended.stderr).strip().splitlines()[-1] for name, ended in said.items()}


def _python_peers(folder: Path) -> Path:
    binaries = folder / "bin"
    if not (binaries / "yoyo").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(binaries / "pip"), "install", "--quiet", *PYTHON_PEERS], check=True)
    return binaries


def _dbmate(folder: Path) -> str:
    program = folder / "node_modules" / ".bin" / "dbmate"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), "dbmate"], check=True)
    return str(next((folder / "node_modules" / "@dbmate").glob("*/bin/dbmate"), program))
