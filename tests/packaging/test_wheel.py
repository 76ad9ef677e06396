"""The wheel as a user gets it: built from the source archive, installed, imported, type-checked."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"zmig": ROOT / "zmig", "zmig_tui": ROOT / "tui" / "zmig_tui", "zmig/schemas": ROOT / "schemas"}
PACKAGES["zmig/rule_pages"] = ROOT / "docs" / "rules"

pytestmark = pytest.mark.slow


def run(*command: str | Path, folder: Path) -> str:
    """Run a command away from the checkout; its output is shown where it fails."""
    ended = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packaging")


@pytest.fixture(scope="module")
def wheel(folder: Path) -> Path:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, folder: Path) -> Path:
    """The interpreter of an environment that has the wheel, and borrows its dependencies from this one."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True, symlinks=True)
    interpreter = environment / "bin" / "python"
    run(interpreter, "-m", "pip", "install", "--quiet", "--no-deps", wheel, folder=folder)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return interpreter


def files_of(package: Path) -> set[str]:
    paths = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_holds_every_file_of_the_packages(wheel: Path, package: str) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {f"{package}/{name}" for name in files_of(PACKAGES[package])} <= packed


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    folders = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"zmig", "zmig_tui"}


def test_installed_package_is_the_one_that_is_imported(python: Path, folder: Path) -> None:
    places = run(python, "-c", "import zmig, zmig_tui; print(zmig.__file__, zmig_tui.__file__)", folder=folder).split()
    assert all(Path(place).is_relative_to(python.parents[1]) for place in places)


def test_installed_package_explains_its_rules(python: Path, folder: Path) -> None:
    page = (ROOT / "docs" / "rules" / "transaction" / "control.md").read_text()
    assert run(python, "-m", "zmig", "lint", "--explain", "transaction/control", folder=folder) == page


def test_installed_package_finds_its_schema(python: Path, folder: Path) -> None:
    code = "from zmig.manifest import schema; print(schema.path('manifest'), schema.load('manifest')['title'])"
    place, title = run(python, "-c", code, folder=folder).split(maxsplit=1)
    assert Path(place).is_relative_to(python.parents[1])
    assert title == "zmig manifest\n"


def test_installed_command_runs(python: Path, folder: Path) -> None:
    assert run(python.with_name("zmig"), "--version", folder=folder).startswith("zmig 0.")


def test_type_checker_of_a_user_sees_the_types(python: Path, folder: Path) -> None:
    code = "import zmig_tui\nfrom zmig import Migrator\nreveal_type(Migrator('manifest.yaml').status())\n"
    (folder / "uses.py").write_text(code)
    checked = run(sys.executable, "-m", "mypy", "--strict", "--python-executable", python, "uses.py", folder=folder)
    assert 'Revealed type is "zmig.session.status.Status"' in checked
