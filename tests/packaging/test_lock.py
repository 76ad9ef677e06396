"""The locked versions are those of what pyproject.toml asks for, the same for uv and for pip."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK: dict[str, Any] = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
LOCKED = {(package["name"], package["version"]) for package in LOCK["package"] if "version" in package}
OWN: dict[str, Any] = next(package for package in LOCK["package"] if package["name"] == "zmig")


def asked(requirements: list[str], extra: str = "") -> set[tuple[str, str, str, str]]:
    """Return what pyproject.toml asks for: name, extras, versions and the extra of zmig that brings it."""
    found = map(Requirement, requirements)
    return {(canonicalize_name(one.name), ",".join(one.extras), str(one.specifier), extra) for one in found}


def recorded(requirements: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """Return the same as uv.lock records it."""
    return {
        (
            one["name"],
            ",".join(one.get("extras", ())),
            one.get("specifier", "").replace(" ", ""),
            "".join(re.findall(r"extra == '(\w+)'", one.get("marker", ""))),
        )
        for one in requirements
    }


def normal(requirements: set[tuple[str, str, str, str]]) -> set[tuple[str, str, frozenset[str], str]]:
    return {(name, extras, frozenset(versions.split(",")), extra) for name, extras, versions, extra in requirements}


def test_the_lock_is_of_what_is_asked_for() -> None:
    expected = asked(PROJECT["project"]["dependencies"])
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items():
        expected |= asked(requirements, extra)
    assert normal(recorded(OWN["metadata"]["requires-dist"])) == normal(expected)


def test_the_lock_is_of_the_groups_that_are_asked_for() -> None:
    groups = {name: normal(recorded(group)) for name, group in OWN["metadata"]["requires-dev"].items()}
    assert groups == {name: normal(asked(group)) for name, group in PROJECT["dependency-groups"].items()}
    assert LOCK["requires-python"] == PROJECT["project"]["requires-python"]


def test_pip_gets_the_versions_that_uv_gets() -> None:
    lines = (ROOT / "constraints.txt").read_text("ascii").splitlines()
    exact = [(one.name, str(one.specifier)) for one in map(Requirement, lines)]
    assert {(canonicalize_name(name), versions.removeprefix("==")) for name, versions in exact} == LOCKED


def test_what_is_locked_comes_from_the_public_index() -> None:
    sources = {package["source"].get("registry", "editable") for package in LOCK["package"]}
    assert sources == {"editable", "https://pypi.org/simple"}
