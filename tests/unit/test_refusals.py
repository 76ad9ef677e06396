"""Why a plan may not run: facts, the refusals that follow, and their words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.tales import (
    NOBODY,
    RUNNING,
    Told,
    accepted,
    by_checksum,
    by_hand,
    done,
    entries,
    failed,
    once,
    planned,
    resolved,
    rollback_failed,
    rollback_started,
    rolled_back,
    started,
)
from zmig.facts import EventType
from zmig.hints import command, repeat, run_command
from zmig.planning.request import Apply, Retry, Rollback
from zmig.presentation.hints import CommandLine, HintStyle, LibraryStyle
from zmig.presentation.problems import problem_text

if TYPE_CHECKING:
    from zmig.model import Migration
    from zmig.planning.plan import Plan
    from zmig.planning.state import Liveness

_NAMED = CommandLine("manifests/prod.yaml")
_UNNAMED = LibraryStyle()
_A_MINUTE = timedelta(minutes=1)


def _told(made: Plan) -> list[tuple[int | None, str]]:
    return [(found.version, found.problem.code) for found in made.refusals]


@pytest.mark.parametrize(
    ("migrations", "told", "refusals"),
    [
        pytest.param([once()], [], [], id="nothing was ever said"),
        pytest.param([once(checksum="c2")], [done()], [(1, "checksum-changed")], id="edited after it was applied"),
        pytest.param([once(checksum="c2")], [done(), accepted(checksum="c2")], [], id="edited and accepted"),
        pytest.param([once(checksum="c2")], [failed()], [], id="edited after it failed"),
        pytest.param([once(checksum="c2")], [started()], [], id="edited while it was stuck"),
        pytest.param([by_checksum(checksum="c2")], [done(90)], [], id="a repeatable may be edited"),
        pytest.param([once(name="b")], [done(name="a")], [], id="renamed, otherwise the same"),
        pytest.param(
            [once(name="b", checksum="c2")],
            [done(name="a")],
            [(1, "version-taken")],
            id="another one of its version",
        ),
        pytest.param(
            [once(7, name="001_m")], [done(1)], [(7, "renumbered")], id="applied already, under another version"
        ),
        pytest.param(
            [once(1, name="007_m"), once(8)], [done(7), done(8)], [(1, "renumbered")], id="renumbered, and not late"
        ),
        pytest.param(
            [once(1, name="b", checksum="c2"), once(2, name="a")],
            [done(name="a")],
            [(1, "version-taken"), (2, "renumbered")],
            id="another one has taken its version",
        ),
        pytest.param([once(1), once(2)], [done(2)], [(1, "out-of-order")], id="a later one is applied"),
        pytest.param([once(1), once(2)], [failed(1), done(2)], [], id="a failed one may be retried late"),
        pytest.param([once(1), once(2)], [started(1), done(2)], [], id="a stuck one may be run again late"),
        pytest.param([by_checksum(1), once(2)], [done(2)], [], id="a repeatable is never late"),
        pytest.param(
            [once()],
            [by_hand(EventType.STARTED, ago=_A_MINUTE)],
            [(1, "started-unproven")],
            id="started by nobody knows",
        ),
        pytest.param([once()], [by_hand(EventType.STARTED)], [], id="started by nobody knows, long ago"),
        pytest.param(
            [once()],
            [done(), rollback_started(transactional=False)],
            [(1, "rollback-incomplete")],
            id="a rollback is stuck outside a transaction",
        ),
        pytest.param(
            [once()],
            [done(), rollback_failed(transactional=False)],
            [(1, "rollback-incomplete")],
            id="a rollback failed outside a transaction",
        ),
        pytest.param(
            [once()],
            [done(), by_hand(EventType.ROLLBACK_STARTED)],
            [(1, "rollback-incomplete")],
            id="a rollback is stuck nobody knows how",
        ),
        pytest.param([once()], [done(), rollback_started()], [], id="a rollback was cut off in its transaction"),
        pytest.param(
            [once()], [done(), rollback_failed(transactional=True)], [], id="a rollback failed in its transaction"
        ),
        pytest.param(
            [once()],
            [done(), rollback_failed(transactional=False), resolved("done", checksum="c1")],
            [],
            id="half rolled back, then resolved as done",
        ),
        pytest.param(
            [once()],
            [done(), rollback_failed(transactional=False), resolved("failed")],
            [],
            id="half rolled back, then resolved as failed",
        ),
        pytest.param([once(1)], [failed(7), started(8), done(0)], [], id="what is declared no longer refuses nothing"),
        pytest.param(
            [once(1, checksum="c2"), once(2), once(3)],
            [done(1), done(3)],
            [(1, "checksum-changed"), (2, "out-of-order")],
            id="all reasons at once",
        ),
    ],
)
def test_what_forbids_an_apply(migrations: list[Migration], told: list[Told], refusals: list[tuple[int, str]]) -> None:
    assert _told(planned(Apply(), entries(migrations, *told))) == refusals


@pytest.mark.parametrize("told", [[], [done(1), rolled_back(1)]])
def test_out_of_order_is_allowed_on_request(told: list[Told]) -> None:
    found = entries([once(1), once(2)], *told, done(2))
    assert _told(planned(Apply(), found)) == [(1, "out-of-order")]
    allowed = planned(Apply(allow_out_of_order=True), found)
    assert ([step.out_of_order for step in allowed.steps], _told(allowed)) == ([True], [])


def test_what_runs_elsewhere_forbids_nothing_because_an_apply_waits_for_it() -> None:
    assert _told(planned(Apply(), entries([once(1), once(2)], started(1), liveness=RUNNING))) == []


_BOTH = (once(1, reversible=True), once(2, reversible=True), by_checksum())


@pytest.mark.parametrize(
    ("migrations", "told", "liveness", "refusals"),
    [
        pytest.param(_BOTH, [done(1), done(2)], NOBODY, [], id="what can be rolled back"),
        pytest.param((once(1),), [done(1)], NOBODY, [(1, "irreversible")], id="no rollback is declared"),
        pytest.param(_BOTH, [done(1), done(7)], NOBODY, [(7, "missing")], id="it is declared no longer"),
        pytest.param(_BOTH, [done(1), started(1)], RUNNING, [(1, "running")], id="it is running"),
        pytest.param(_BOTH, [done(1), rollback_started(1)], RUNNING, [(1, "running")], id="it is being rolled back"),
        pytest.param(_BOTH, [done(1), started(2)], RUNNING, [(2, "running")], id="another one is running"),
        pytest.param(
            _BOTH,
            [done(1), by_hand(EventType.STARTED, 2, ago=_A_MINUTE)],
            NOBODY,
            [(2, "started-unproven")],
            id="another one was started by nobody knows",
        ),
        pytest.param(
            _BOTH,
            [done(1), started(2, transactional=False), failed(2, transactional=False)],
            NOBODY,
            [(2, "half-applied")],
            id="one above failed outside a transaction",
        ),
        pytest.param(
            _BOTH, [done(1), started(2, transactional=False)], NOBODY, [(2, "half-applied")], id="one above is stuck so"
        ),
        pytest.param(
            _BOTH, [done(1), by_hand(EventType.FAILED, 2)], NOBODY, [(2, "half-applied")], id="one above failed somehow"
        ),
        pytest.param(
            _BOTH,
            [done(1), failed(7, transactional=False)],
            NOBODY,
            [(7, "half-applied")],
            id="an undeclared one failed",
        ),
        pytest.param(_BOTH, [done(1), failed(2)], NOBODY, [], id="one above failed and left nothing"),
        pytest.param(_BOTH, [done(1), started(2), resolved("failed", 2)], NOBODY, [], id="one above was undone"),
        pytest.param(
            _BOTH,
            [done(1), done(2), rollback_started(2), resolved("failed", 2)],
            NOBODY,
            [(2, "half-applied")],
            id="one above was applied, and resolved as failed during its rollback",
        ),
        pytest.param(
            _BOTH, [failed(1, transactional=False), done(2)], NOBODY, [], id="one below failed outside a transaction"
        ),
        pytest.param(
            _BOTH, [done(1), by_hand(EventType.STARTED, name="x", ago=_A_MINUTE)], NOBODY, [], id="a stranger started"
        ),
        pytest.param(_BOTH, [by_hand(EventType.STARTED, 2, ago=_A_MINUTE)], NOBODY, [], id="nothing is rolled back"),
    ],
)
def test_what_forbids_rolling_back_the_last_one(
    migrations: tuple[Migration, ...], told: list[Told], liveness: Liveness, refusals: list[tuple[int, str]]
) -> None:
    assert _told(planned(Rollback(), entries(migrations, *told, liveness=liveness))) == refusals


def _texts(made: Plan, hints: HintStyle = _UNNAMED) -> list[str]:
    return [problem_text(found.problem, hints) for found in made.refusals]


class TestWords:
    """The whole text of each refusal, with commands that run as printed."""

    def test_edited(self) -> None:
        found = entries([once(checksum="b" * 64)], done(checksum="a" * 64))
        assert _texts(planned(Apply(), found), _NAMED) == [
            "error: migration `001_m` was edited after it was applied\n"
            "  --> m/001_m.sql:1:1\n"
            "   = applied 2026-08-30 13:00 UTC with checksum aaaaaaaa, the file now has bbbbbbbb\n"
            "   = if the edit is harmless, run `zmig accept manifests/prod.yaml 001_m --reason ...`\n"
            "   = nothing was run\n"
            "hint: restore it as it was applied, and put the change in a new migration"
        ]

    def test_another_one_of_its_version(self) -> None:
        (text,) = _texts(planned(Apply(), entries([once(name="b", checksum=None)], done(name="a"))), _NAMED)
        assert text.splitlines()[0] == "error: version 1 was applied as `a`, but the manifest declares `b`"

    def test_out_of_order(self) -> None:
        assert _texts(planned(Apply(), entries([once(1), once(2)], done(2)))) == [
            "error: migration `001_m` is out of order: not applied, while version 2 is\n"
            "  --> prod.yaml:1:5\n"
            "   = to apply it all the same, run `zmig apply --allow-out-of-order`\n"
            "   = nothing was run\n"
            "hint: give it a version above the applied ones"
        ]

    @pytest.mark.parametrize(("told", "verdict"), [([], "failed"), ([done()], "done")])
    def test_started_by_nobody_knows(self, told: list[Told], verdict: str) -> None:
        found = entries([once()], *told, by_hand(EventType.STARTED, ago=_A_MINUTE))
        assert _texts(planned(Apply(), found), _NAMED) == [
            "error: migration `001_m` was started 2026-08-30 13:59 UTC by a fact that names no backend\n"
            "   = whether it still runs cannot be proved; it counts as stuck once `tracking.stuck_after` has passed\n"
            "   = nothing was run\n"
            "hint: if nothing runs it, "
            f"run `zmig resolve manifests/prod.yaml 001_m --as {verdict} --reason ...`"
        ]

    def test_half_rolled_back(self) -> None:
        found = entries([once()], done(), rollback_failed(transactional=False))
        assert _texts(planned(Apply(), found), _NAMED) == [
            "error: the rollback of `001_m` did not complete, and no transaction undid it\n"
            "   = some of its statements may have taken effect\n"
            "   = if the migration is whole again, "
            "run `zmig resolve manifests/prod.yaml 001_m --as done --reason ...`\n"
            "   = nothing was run\n"
            "hint: complete it with `zmig rollback manifests/prod.yaml`"
        ]

    def test_overtaking(self) -> None:
        assert _texts(planned(Retry(), entries([once(1), once(2)], failed(2))), _NAMED) == [
            "error: migration `002_m` cannot be retried before `001_m`, which is pending\n"
            "  --> prod.yaml:2:5\n"
            "   = nothing was run\n"
            "hint: run both in order with `zmig apply manifests/prod.yaml --to 2`"
        ]

    def test_irreversible(self) -> None:
        assert _texts(planned(Rollback(), entries([once()], done()))) == [
            "error: migration `001_m` has no rollback\n"
            "  --> prod.yaml:1:5\n"
            "   = nothing was rolled back\n"
            "hint: write a rollback file and declare it with `rollback:`"
        ]

    def test_missing(self) -> None:
        assert _texts(planned(Rollback(), entries([], done()))) == [
            "error: migration `001_m` is applied but no longer declared, so its rollback is not known\n"
            "   = nothing was rolled back\n"
            "hint: put its entry and its files back into the manifest"
        ]

    def test_running(self) -> None:
        found = entries([once(reversible=True)], done(), started(), liveness=RUNNING)
        assert _texts(planned(Rollback(), found), _NAMED) == [
            "error: migration `001_m` is running\n"
            "   = nothing was rolled back\n"
            "hint: wait for it; see it with `zmig status manifests/prod.yaml`"
        ]

    def test_half_applied(self) -> None:
        found = entries(_BOTH, done(1), started(2, transactional=False))
        assert _texts(planned(Rollback(), found), _NAMED) == [
            "error: migration `002_m` is stuck, and no transaction undid what it had done\n"
            "   = it may rest on what is to be rolled back\n"
            "   = nothing was rolled back\n"
            "hint: undo by hand what is left of it, "
            "then run `zmig resolve manifests/prod.yaml 002_m --as pending --reason ...`"
        ]


class TestCommands:
    @pytest.mark.parametrize(
        ("hints", "line"),
        [
            (CommandLine(), "zmig retry 001_m"),
            (CommandLine("prod.yaml"), "zmig retry prod.yaml 001_m"),
            (CommandLine("my manifests/prod.yaml"), "zmig retry 'my manifests/prod.yaml' 001_m"),
            (
                CommandLine("prod.yaml", "postgresql://app@db/shop"),
                "zmig retry prod.yaml 001_m --database-url postgresql://app@db/shop",
            ),
            (
                CommandLine(database_url="postgresql://app:s3cret@db/shop"),
                "zmig retry 001_m --database-url 'postgresql://app:***@db/shop'",
            ),
            (
                CommandLine(database_url="host=db password=s3cret"),
                "zmig retry 001_m --database-url 'host=db password=***'",
            ),
        ],
    )
    def test_a_command_goes_to_the_same_manifest_and_database(self, hints: CommandLine, line: str) -> None:
        assert hints.line(run_command("retry", about=once())) == line

    @pytest.mark.parametrize(
        ("given", "again"),
        [
            ("", "zmig apply prod.yaml --lock-wait 10min"),
            ("rollback prod.yaml --to 3 --yes", "zmig rollback prod.yaml --to 3 --yes --lock-wait 10min"),
            ("retry --lock-wait 0 prod.yaml 7", "zmig retry prod.yaml 7 --lock-wait 10min"),
            ("retry prod.yaml 7 --lock-wait=5s", "zmig retry prod.yaml 7 --lock-wait 10min"),
            ("plan prod.yaml -- x --lock-wait=1s", "zmig plan prod.yaml --lock-wait 10min -- x --lock-wait=1s"),
            (
                "reset --database-url=postgresql://app:s3cret@db/shop",
                "zmig reset '--database-url=postgresql://app:***@db/shop' --lock-wait 10min",
            ),
        ],
    )
    def test_the_command_that_was_given_is_repeated_with_another_value_of_one_option(
        self, given: str, again: str
    ) -> None:
        hints = CommandLine("prod.yaml", given=tuple(given.split()))
        assert hints.line(repeat("--lock-wait", "10min")) == again

    def test_a_name_that_a_shell_would_cut_is_quoted(self) -> None:
        assert _NAMED.line(command("retry", about=once(name="it's; rm -rf /"))) == (
            "zmig retry manifests/prod.yaml 'it'\"'\"'s; rm -rf /'"
        )
