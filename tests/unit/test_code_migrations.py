"""Migrations defined in code: what counts as one, and what it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zmig.errors import Location, UsageError
from zmig.model import Kind, Language, Migration, Repeat, RepeatRule
from zmig.project import code_migrations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from zmig.context import CodeMigration


class Seed:
    version = 4
    name = "004_seed"

    def execute(self, ctx: object) -> None: ...


class Reversible(Seed):
    def rollback(self, ctx: object) -> None: ...


class Repeating(Seed):
    def should_repeat(self, ctx: object, last_run: object) -> bool:
        return last_run is None


def test_an_object_with_version_name_and_execute_is_a_migration() -> None:
    seed = Seed()
    assert code_migrations.from_code(seed) == Migration(4, "004_seed", Kind.PYTHON, Language.PYTHON, code=seed)


@pytest.mark.parametrize("version", [1, 2**63 - 1])
def test_any_bigint_above_zero_is_a_version(version: int) -> None:
    assert code_migrations.from_code(_with(version=version)).version == version


def test_an_object_with_a_rollback_is_reversible() -> None:
    assert code_migrations.from_code(Reversible()).is_reversible
    assert not code_migrations.from_code(Seed()).is_reversible


def test_an_object_with_should_repeat_is_a_repeatable() -> None:
    migration = code_migrations.from_code(Repeating())
    assert migration.kind is Kind.REPEATABLE
    assert migration.repeat == Repeat(RepeatRule.CODE)


def _with(**attributes: object) -> CodeMigration:
    return type("Odd", (Seed,), attributes)()


async def _asynchronous(_self: object, _ctx: object) -> None: ...


def _generator(_self: object, _ctx: object) -> Iterator[None]:
    yield


async def _asynchronous_generator(_self: object, _ctx: object) -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        pytest.param(
            lambda: Seed,
            "the registered `Seed` is not a migration: it is a class",
            "register an object of it: `Seed()`",
            id="a class",
        ),
        pytest.param(
            object,
            "the registered `object` is not a migration: its `version` is None",
            "give it a positive whole number as `version`",
            id="anything else",
        ),
        *(
            pytest.param(
                lambda version=version: _with(version=version),
                f"the registered `Odd` is not a migration: its `version` is {version!r}",
                "give it a positive whole number as `version`",
                id=f"version {version!r}",
            )
            for version in ("4", 0, -1, True, 4.0, 2**63)
        ),
        *(
            pytest.param(
                lambda name=name: _with(name=name),
                f"the registered `Odd` is not a migration: its `name` is {name!r}",
                "give it a text of one line as `name`, as in `004_totals`",
                id=f"name {name!r}"[:30],
            )
            for name in (None, "", "a\nb", " a", "x" * 201)
        ),
        pytest.param(
            lambda: _with(execute=None),
            "the registered `Odd` is not a migration: it has no method `execute`",
            "define `execute(self, ctx)`",
            id="no execute",
        ),
        *(
            pytest.param(
                lambda function=function, method=method: _with(**{method: function}),
                f"the registered `Odd` is not a migration: calling its `{method}` would only begin it: "
                "it is asynchronous, or a generator",
                f"define `{method}` with plain `def`, and without `yield`",
                id=f"{method} is {function.__name__}",
            )
            for method, function in (
                ("execute", _asynchronous),
                ("execute", _generator),
                ("rollback", _asynchronous_generator),
                ("should_repeat", _asynchronous),
            )
        ),
    ],
)
def test_what_is_not_a_migration_is_refused_with_the_reason(
    code: Callable[[], CodeMigration], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        code_migrations.from_code(code())
    (problem,) = caught.value.problems
    assert (problem.code, problem.message, problem.hint) == ("registered-unfit", message, hint)


def _other(version: int, name: str) -> Migration:
    return Migration(version, name, Kind.SQL, Language.SQL, locate=lambda: Location("prod.yaml", 7, 5))


@pytest.mark.parametrize(("version", "name", "taken"), [(4, "other", "version"), (5, "004_seed", "name")])
def test_a_taken_version_or_name_is_refused(version: int, name: str, taken: str) -> None:
    with pytest.raises(UsageError) as caught:
        code_migrations.reject_duplicates(
            code_migrations.from_code(Seed()), [_other(1, "001_a"), _other(version, name)]
        )
    (problem,) = caught.value.problems
    assert problem.code == "registered-twice"
    assert problem.message == f"the registered migration `004_seed` has the {taken} of `{name}`"
    assert str(problem.location) == "prod.yaml:7:5"
    assert problem.hint == f"give it a {taken} of its own"


def test_a_version_and_name_of_its_own_pass() -> None:
    code_migrations.reject_duplicates(code_migrations.from_code(Seed()), [_other(1, "001_a")])
