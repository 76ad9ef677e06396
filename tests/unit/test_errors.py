"""Errors as values: what they say as exceptions, and their exit codes."""

from __future__ import annotations

import pickle

import pytest

from zmig import errors
from zmig.errors import ExitCode, Location, Problem, ZmigError

_PROBLEM = Problem(
    "x",
    "no migration is called `a`",
    Location("prod.yaml", 4, 7, text="  - a", width=1),
    facts=("f",),
    effect="e",
    hint="h",
)

_FAMILIES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ZmigError)]


@pytest.mark.parametrize("family", _FAMILIES)
def test_an_error_says_its_problems_and_has_the_code_of_the_first(family: type[ZmigError]) -> None:
    error = family(_PROBLEM, Problem("y", "and another"))
    assert str(error) == "no migration is called `a`; and another"
    assert (error.code, error.exit_code in ExitCode) == ("x", True)


@pytest.mark.parametrize("family", _FAMILIES)
def test_an_error_crosses_from_one_process_to_another(family: type[ZmigError]) -> None:
    error = pickle.loads(pickle.dumps(family(_PROBLEM)))
    assert (type(error), error.problems) == (family, (_PROBLEM,))


def test_an_error_without_a_problem_is_none() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        ZmigError()


def test_the_exit_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "FAILED": 1,
        "REFUSED": 2,
        "NO_CONNECTION": 3,
        "LOCK_NOT_OBTAINED": 4,
        "PENDING": 5,
        "UNHEALTHY": 6,
        "WOULD_BE_REFUSED": 7,
        "DRIFT": 8,
        "BUG": 70,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


def test_a_location_reads_as_terminals_make_it_clickable() -> None:
    assert str(Location("m/1.sql", 3, 5)) == "m/1.sql:3:5"
