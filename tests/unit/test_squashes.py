"""A squash on a database that has none, all, or a part of what it replaces."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.tales import (
    NOBODY,
    RUNNING,
    Told,
    baselined,
    by_checksum,
    done,
    entries,
    failed,
    name_of,
    once,
    planned,
    resolved,
    rollback_failed,
    rolled_back,
    started,
    tale,
)
from zmig.errors import UsageError
from zmig.model import Versions
from zmig.planning import up_to_date
from zmig.planning.history import fold
from zmig.planning.request import Apply, Retry, Rollback
from zmig.planning.snapshot import Snapshot
from zmig.planning.state import State, evaluate

if TYPE_CHECKING:
    from zmig.model import Migration
    from zmig.planning.state import Entry


def squash(versions: str, *, checksum: str = "s", name: str | None = None, reversible: bool = False) -> Migration:
    parsed = Versions.parse(versions)
    assert parsed is not None
    name = f"{parsed.last:03}_squashed" if name is None else name
    return replace(once(parsed.last, checksum=checksum, name=name, reversible=reversible), replaces=parsed)


def squashed(versions: str, type: str = "done") -> Told:
    """Return a fact about a squash, as zmig writes it."""
    one = squash(versions)
    make = {"done": done, "failed": failed, "started": started, "baselined": baselined, "rolled_back": rolled_back}
    return make[type](one.version, name=one.name, checksum=one.checksum, replaces=versions)


S3 = squash("1..3")
NEW = (S3, once(4))
"""After the squash, with its old entries deleted."""
BESIDE = (once(1), once(2), once(3), S3, once(4))
"""With the old entries still there."""


def steps(found: tuple[Entry, ...]) -> list[str]:
    return [step.migration.name for step in planned(Apply(), found).steps]


def refused(found: tuple[Entry, ...]) -> list[str]:
    return [one.problem.code for one in planned(Apply(), found).refusals]


def seen(found: tuple[Entry, ...]) -> list[str]:
    """Return each entry as `name state`, with its findings."""
    return [" ".join((one.name, one.state.value, *(finding.code.value for finding in one.findings))) for one in found]


@pytest.mark.parametrize("declared", [NEW, BESIDE], ids=["deleted", "beside"])
@pytest.mark.parametrize(
    ("told", "to_run"),
    [
        pytest.param([], ["003_squashed", "004_m"], id="a new database runs the squash"),
        pytest.param([squashed("1..3")], ["004_m"], id="what ran is done"),
        pytest.param([squashed("1..3"), done(4)], [], id="nothing is left"),
        pytest.param([squashed("1..3", "failed")], ["003_squashed", "004_m"], id="one that failed runs again"),
        pytest.param([squashed("1..3", "started")], ["003_squashed", "004_m"], id="one that is stuck runs again"),
        pytest.param([squashed("1..3", "baselined")], ["004_m"], id="a baseline of it is one of all"),
        pytest.param([squashed("1..3"), squashed("1..3", "rolled_back")], ["003_squashed", "004_m"], id="taken back"),
        pytest.param([done(1), done(2), done(3)], ["004_m"], id="all of it was applied one by one"),
        pytest.param([done(3), done(2), done(1), done(4)], [], id="all, and what came later"),
        pytest.param([done(1), rolled_back(1)], ["003_squashed", "004_m"], id="all of it was rolled back"),
        pytest.param([resolved("pending", 2)], ["003_squashed", "004_m"], id="nothing of it is there"),
    ],
)
def test_it_runs_where_nothing_is_applied_and_counts_where_all_is(
    declared: tuple[Migration, ...], told: list[Told], to_run: list[str]
) -> None:
    found = entries(declared, *told)
    assert refused(found) == []
    assert steps(found) == to_run


def test_deleted_entries_are_neither_missing_nor_changed() -> None:
    found = entries(NEW, done(1), done(2, checksum="other"), done(3), done(4))
    assert seen(found) == ["003_squashed done squashed", "004_m done"]
    assert [record.version for record in found[0].replaced] == [1, 2]
    assert Snapshot(found).current_version == 4


def test_entries_that_are_there_still_are_what_is_looked_at() -> None:
    found = entries(BESIDE, done(1), done(2, checksum="other"), done(3), done(4))
    assert seen(found) == ["001_m done", "002_m done drift", "003_m done", "004_m done"]
    assert refused(found) == ["checksum-changed"]


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        pytest.param([done(1)], 2, id="up to one"),
        pytest.param([done(1), done(3)], 2, id="with a hole"),
        pytest.param([done(2), done(3), done(4)], 1, id="without the first"),
        pytest.param([done(1), failed(2)], 2, id="one failed"),
        pytest.param([done(1), done(2), started(3)], 3, id="one is stuck"),
        pytest.param([done(1), done(2), done(3), rollback_failed(2)], 2, id="the rollback of one failed"),
        pytest.param([done(1), done(2), done(3), rolled_back(3)], 3, id="one was rolled back"),
        pytest.param([done(1), done(2), resolved("failed", 3)], 3, id="one is resolved as failed"),
        pytest.param([failed(1)], 1, id="nothing but one that failed"),
        pytest.param([squashed("1..3", "failed"), done(1), done(2)], 3, id="the squash failed, and then came parts"),
        pytest.param([squashed("1..3", "started"), done(1)], 2, id="the squash is stuck, and then came a part"),
    ],
)
def test_a_part_of_it_is_refused_where_the_rest_is_deleted(told: list[Told], missing: int) -> None:
    found = entries(NEW, *told)
    plan = planned(Apply(), found)
    assert [one.problem.code for one in plan.refusals] == ["squash-incomplete"]
    problem = plan.refusals[0].problem
    assert f"version {missing} is not applied" in problem.message
    assert str(problem.hint) == "with the entries and files from before the squash, run `zmig apply --to 3`"
    assert all(one.migration is None or one.migration.version >= 3 for one in found)
    assert not any(one.is_applied for one in found if one.name == "003_squashed")


def test_the_version_of_a_database_in_between_is_what_is_applied() -> None:
    found = entries(NEW, done(1), done(2))
    assert Snapshot(found).current_version == 2
    assert seen(found) == [
        "003_squashed pending partly-replaced",
        "004_m pending",
        "001_m done replaced",
        "002_m done replaced",
    ]


@pytest.mark.parametrize(
    ("told", "to_run"),
    [
        pytest.param([done(1)], ["002_m", "003_m", "004_m"], id="up to one"),
        pytest.param([done(1), failed(2)], ["002_m", "003_m", "004_m"], id="one failed"),
        pytest.param([done(1), done(2), done(3), rolled_back(3)], ["003_m", "004_m"], id="one was rolled back"),
        pytest.param([squashed("1..3", "failed"), done(1), done(2)], ["003_m", "004_m"], id="the squash failed before"),
        pytest.param([squashed("1..3", "started"), done(1)], ["002_m", "003_m", "004_m"], id="the squash is stuck"),
    ],
)
def test_a_part_of_it_goes_on_where_the_rest_is_declared(told: list[Told], to_run: list[str]) -> None:
    found = entries(BESIDE, *told)
    assert refused(found) == []
    assert steps(found) == to_run


def test_only_what_a_database_still_needs_has_to_be_declared() -> None:
    found = entries((once(3), S3, once(4)), done(1), done(2))
    assert (refused(found), steps(found)) == ([], ["003_m", "004_m"])
    assert "missing" not in " ".join(seen(found))
    assert refused(entries((once(3), S3, once(4)), done(1))) == ["squash-incomplete"]


def test_an_operator_may_say_that_the_rest_of_it_is_done() -> None:
    word = replace(resolved("done", 3, checksum="s"), name="003_squashed")
    word = replace(word, data={**word.data, "replaces": "1..3"})
    found = entries(NEW, done(1), word)
    assert (refused(found), steps(found)) == ([], ["004_m"])
    assert seen(found)[0] == "003_squashed done"


def test_one_that_runs_is_seen_to_run() -> None:
    found = entries(NEW, squashed("1..3", "started"), liveness=RUNNING)
    assert found[0].state is State.STARTED
    found = entries(NEW, done(1), started(2), liveness=RUNNING)
    assert Snapshot(found).is_someone_running


def test_an_edited_squash_that_ran_has_drifted() -> None:
    found = entries((squash("1..3", checksum="edited"), once(4)), squashed("1..3"), done(4))
    assert refused(found) == ["checksum-changed"]


def test_what_is_squashed_again_is_replaced_as_a_whole() -> None:
    larger = squash("1..5", checksum="larger", name="005_all")
    for declared in ((larger,), (larger, S3, once(4), once(5))):
        assert steps(entries(declared)) == ["005_all"]
        for told in (
            [squashed("1..3"), done(4), done(5)],
            [done(1), done(2), done(3), done(4), done(5)],
        ):
            found = entries(declared, *told)
            assert (refused(found), steps(found)) == ([], [])
    found = entries((larger, S3, once(4), once(5)), squashed("1..3"), done(4))
    assert (refused(found), steps(found)) == ([], ["005_m"])
    assert refused(entries((larger,), squashed("1..3"), done(4))) == ["squash-incomplete"]


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param((once(1), once(2), once(3, checksum="c3"), once(4)), id="of just before"),
        pytest.param((once(1, checksum="x1"), once(2, checksum="x2")), id="of long before"),
        pytest.param((once(2, checksum="x2"),), id="with one of them"),
    ],
)
@pytest.mark.parametrize("allowed", [False, True], ids=["", "out of order is allowed"])
def test_a_checkout_from_before_runs_nothing_of_it_again_on_a_database_of_the_squash(
    declared: tuple[Migration, ...], allowed: bool
) -> None:
    found = entries(declared, squashed("1..3"), done(4))
    plan = planned(Apply(allow_out_of_order=allowed), found)
    assert [(one.name, one.problem.code) for one in plan.refusals] == [
        (one.name, "squashed") for one in declared if one.version <= 3
    ]


def test_what_is_in_no_squash_may_run_out_of_order_beside_one() -> None:
    found = entries((once(2), squash("1, 3"), once(4)), squashed("1, 3"), done(4))
    plan = planned(Apply(allow_out_of_order=True), found)
    assert ([step.migration.name for step in plan.steps], list(plan.refusals)) == (["002_m"], [])


def test_a_failed_part_is_not_retried_on_a_database_of_the_squash() -> None:
    found = entries((once(1), once(2)), squashed("1..3"), failed(2))
    assert [one.problem.code for one in planned(Retry(), found).refusals] == ["squashed"]


def test_versions_that_are_not_in_a_row_are_listed() -> None:
    dates = squash("20240101, 20240305")
    assert steps(entries((dates,))) == ["20240305_squashed"]
    assert steps(entries((dates,), done(20240101), done(20240305))) == []
    assert refused(entries((dates,), done(20240305))) == ["squash-incomplete"]


def test_repeatables_have_no_part_in_it() -> None:
    found = entries((*NEW, by_checksum(90)), done(1), done(2), done(3), done(4))
    assert steps(found) == ["090_m"]


@pytest.mark.parametrize("declared", [NEW, (squash("1..3", reversible=True), once(4, reversible=True))])
def test_no_rollback_goes_below_it(declared: tuple[Migration, ...]) -> None:
    found = entries(declared, done(1), done(2), done(3))
    plan = planned(Rollback(), found)
    assert [one.problem.code for one in plan.refusals] == ["squashed"]
    with pytest.raises(UsageError, match=r"inside of `003_squashed`, which replaces 1\.\.3 as a whole"):
        planned(Rollback(to=2), found)
    with pytest.raises(UsageError, match="version 2 is inside of"):
        planned(Apply(to=2), found)


def test_a_squash_that_ran_is_undone_by_its_own_rollback_file() -> None:
    found = entries((squash("1..3", reversible=True),), squashed("1..3"))
    assert [step.migration.name for step in planned(Rollback(), found).steps] == ["003_squashed"]
    irreversible = planned(Rollback(), entries(NEW, squashed("1..3")))
    assert [one.problem.code for one in irreversible.refusals] == ["irreversible"]


def test_what_comes_after_is_rolled_back_as_ever() -> None:
    found = entries((S3, once(4, reversible=True)), done(1), done(2), done(3), done(4))
    plan = planned(Rollback(to=3), found)
    assert (plan.refusals, [step.migration.version for step in plan.steps]) == ((), [4])


def test_a_squash_that_failed_is_retried() -> None:
    plan = planned(Retry(), entries(NEW, squashed("1..3", "failed")))
    assert [step.migration.name for step in plan.steps] == ["003_squashed"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1..12", "1..12"),
        ("5", "5"),
        ("1..4, 6,8..9", "1..4, 6, 8..9"),
        ("3..1", None),
        ("1, 1", None),
        ("2..4, 4..5", None),
        ("4, 2", None),
        ("0..3", None),
        ("", None),
        ("1..", None),
        ("..3", None),
        ("a", None),
        ("²", None),
        ("1" * 20, None),
    ],
)
def test_texts_of_versions(text: str, meant: str | None) -> None:
    versions = Versions.parse(text)
    assert (None if versions is None else str(versions)) == meant


def test_versions_are_sets() -> None:
    chance = random.Random(1)
    for _ in range(300):
        one, other = ({chance.randrange(1, 12) for _ in range(chance.randrange(1, 9))} for _ in range(2))
        versions, others = (Versions.of((number, number) for number in numbers) for numbers in (one, other))
        assert {number for number in range(20) if number in versions} == one
        assert (versions.first, versions.last, versions.count) == (min(one), max(one), len(one))
        assert versions.covers(others) == (one >= other)
        assert versions.meets(others) == bool(one & other)
        assert versions.lowest_not_in(others) == min(one - other, default=None)
        assert Versions.parse(str(versions)) == versions


@pytest.mark.parametrize("seed", range(3))
def test_the_quick_answer_never_says_more_than_all_facts_do(seed: int) -> None:
    """Where it says that nothing is left to do, there is nothing; and it does say so of each usual history."""
    chance = random.Random(seed)
    larger = squash("1..5", checksum="l", name="005_all")
    manifests: list[tuple[Migration, ...]] = [
        NEW,
        BESIDE,
        (once(3), S3, once(4)),
        (larger,),
        (larger, S3, once(4), once(5)),
        (squash("1", name="001_s"), once(2)),
    ]
    made = [squashed("1..3"), done(5, name="005_all", checksum="l", replaces="1..5")]
    made += [done(1, name="001_s", checksum="s", replaces="1"), done(1, name="001_s", checksum="x", replaces="1")]
    answers: list[bool] = []
    for _ in range(4000):
        declared = chance.choice(manifests)
        told = [done(number) for number in range(1, 6) if chance.random() < 0.85]
        told += chance.sample(made, chance.choice((0, 0, 1)))
        told += chance.choice(([], [], [failed(chance.randrange(1, 6))], [rolled_back(chance.randrange(1, 6))]))
        expected = up_to_date.expected_lines(declared)
        assert expected is not None
        is_quick = up_to_date.is_same(lines(told), expected)
        answers.append(is_quick)
        if is_quick:
            found = evaluate(declared, fold(tale(*told)), NOBODY)
            plan = planned(Apply(), found)
            assert (plan.steps, plan.refusals) == ((), ()), (declared, told)
    assert answers.count(True) > 100
    for declared, told in (
        (NEW, [squashed("1..3"), done(4)]),
        (NEW, [done(1), done(2), done(3), done(4)]),
        (BESIDE, [done(1), done(2), done(3), done(4)]),
        (BESIDE, [squashed("1..3"), done(4)]),
    ):
        assert up_to_date.is_same(lines(told), up_to_date.expected_lines(declared) or ())


def lines(told: list[Told]) -> list[str]:
    """Return what a database folds its facts to: a line for each name and version, of its last fact."""
    last = {(one.name or name_of(one.of), one.of): one for one in told}
    return [
        f"{version} {one.data.get('checksum')} {name}" if one.type.label == "done" else ""
        for (name, version), one in last.items()
    ]
