"""Decides whether a migration that ran outside a transaction may be continued.

Pure: it compares the file with the last checkpoint, and looks at the statement after that. Where the catalog can
say whether that took effect, the run goes on; where it cannot, a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.errors import Problem
from zmig.hints import Hint, command, run_command
from zmig.planning.checkpoint import digest
from zmig.planning.plan import Action, Direction, Refusal
from zmig.sql.catalog_effect import CreateIndex, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.errors import Location
    from zmig.hints import SuggestedCommand
    from zmig.planning.checkpoint import Checkpoint, Sent
    from zmig.project.prepare import PreparedStep
    from zmig.sql.statement import Statement


def subject(one: Statement) -> str | None:
    """Return what a statement may leave half done, in words that two statements about the same thing share."""
    found = one.command.effect
    if not isinstance(found, CreateIndex):
        return None
    table = ".".join(part for part in found.table if part is not None)
    return f"index {found.name} on {table}" if found.name is not None else f"an index on {table}"


def is_about(sent: Sent | None, one: Statement) -> bool:
    """Whether what is known of the statement that was sent holds for a statement of the file as it is now."""
    if sent is None or sent.number != one.number:
        return False
    return sent.digest == digest([one]) or (
        sent.is_refused and sent.subject is not None and sent.subject == subject(one)
    )


def is_undecided(sent: Sent, one: Statement) -> bool:
    """Whether nobody but a person can know if the statement that was sent took effect."""
    return not sent.is_refused and isinstance(one.command.effect, Unknown)


def refusals(prepared_steps: Sequence[PreparedStep]) -> Iterator[Refusal]:
    """Yield a refusal for each migration that cannot be continued as its file is, or by anybody but a person."""
    for prepared in prepared_steps:
        if prepared.step.action is not Action.RECORD_END:
            problem = _unfit(prepared)
            if problem is not None:
                yield Refusal(prepared.step.migration.version, prepared.step.migration.name, problem)


def _unfit(prepared: PreparedStep) -> Problem | None:
    unended, reached = prepared.step.unended, prepared.step.checkpoint
    if prepared.batch is not None:
        return _by_another_key(prepared, reached)
    if prepared.statements is None and unended is not None and unended.data.get("transactional") is False:
        return _undecided(prepared, "its Python code", prepared.step.migration.declared_at)
    if reached is None:
        return None
    return _edited(prepared, reached) or _in_doubt(prepared, reached.sent)


def _by_another_key(prepared: PreparedStep, reached: Checkpoint | None) -> Problem | None:
    """Compare the key by which the rounds of a batch went with that of its file as it is now."""
    before = reached.reached.key if reached is not None and reached.reached is not None else None
    if before is None or not prepared.statements:
        return None
    from zmig.batches import selection

    now = selection.read(prepared.statements[0]).key_name
    if now in (None, before):
        return None
    return _changed(prepared, f"its rounds went by the key `{before}` before, and go by `{now}` now")


def _edited(prepared: PreparedStep, reached: Checkpoint) -> Problem | None:
    """Compare the statements recorded as done, or in doubt, with those that are in the file now."""
    statements, sent = prepared.statements or (), reached.sent
    if reached.statements and (
        prepared.mode.transactional or digest(statements[: reached.statements]) != reached.digest
    ):
        what = _range(reached.statements)
        return _changed(prepared, f"{what} done before, and cannot be found in its file as it is now")
    if sent is None or sent.is_refused:
        return None
    following = statements[sent.number - 1 : sent.number]
    if prepared.mode.transactional or not following or not is_about(sent, following[0]):
        what = f"statement {sent.number} was sent to the server and may have taken effect"
        return _changed(prepared, f"{what}, and it was edited since")
    return None


def _range(count: int) -> str:
    return "statement 1 was" if count == 1 else f"statements 1 to {count} were"


def _changed(prepared: PreparedStep, why: str) -> Problem:
    migration = prepared.step.migration
    return Problem(
        "done-statements-changed",
        f"{_what(prepared)} `{migration.name}` cannot be continued: {why}",
        location=migration.declared_at,
        facts=(
            Hint(
                "if everything the file says is done, ",
                run_command("resolve", "--as", "done", "--reason", "...", about=migration),
            ),
            Hint(
                "if everything that was done is undone, ",
                run_command("resolve", "--as", "pending", "--reason", "...", about=migration),
            ),
        ),
        effect="nothing was run",
        hint="restore the statements that ran before; the rest of the file may change",
    )


def _in_doubt(prepared: PreparedStep, sent: Sent | None) -> Problem | None:
    if sent is None or prepared.statements is None:
        return None
    one = prepared.statements[sent.number - 1]
    if not is_undecided(sent, one):
        return None
    what = f"statement {one.number} of {len(prepared.statements)}, `{one.summary}`,"
    return _undecided(prepared, what, prepared.location(one.offset))


def _undecided(prepared: PreparedStep, what: str, location: Location | None) -> Problem:
    name = prepared.step.migration.name
    return Problem(
        "resume-undecided",
        f"{_what(prepared)} `{name}` did not end, and whether {what} took effect cannot be looked up",
        location=location,
        facts=(f"statements known to be done: {prepared.step.resume_after}", *_choices(prepared)),
        effect="nothing was run",
        hint="look at the database, then run the one of the two commands that is true",
    )


def _what(prepared: PreparedStep) -> str:
    return "the rollback of migration" if prepared.step.direction is Direction.ROLLBACK else "migration"


def _choices(prepared: PreparedStep) -> tuple[Hint, Hint]:
    def resolved(verdict: str) -> SuggestedCommand:
        return run_command("resolve", "--as", verdict, "--reason", "...", about=prepared.step.migration)

    if prepared.step.direction is Direction.ROLLBACK:
        return (
            Hint("to take it back, complete the rollback by hand, then ", resolved("pending")),
            Hint("to keep it, restore by hand what the rollback removed, then ", resolved("done")),
        )
    return (
        Hint(
            "if it did not take effect, the next run repeats it after ",
            command("resolve", "--as", "failed", "--reason", "...", about=prepared.step.migration),
        ),
        Hint("if it did, complete the rest by hand, then ", resolved("done")),
    )
