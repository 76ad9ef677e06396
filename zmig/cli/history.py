"""`zmig history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.cli import json_documents, table
from zmig.cli.command import Command, CommandContext, Options, Positionals
from zmig.errors import ExitCode
from zmig.planning import blocked_by
from zmig.presentation import origins, words
from zmig.text.terminal import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zmig.facts import Fact


def run(call: CommandContext, options: Options) -> ExitCode:
    """Print the recorded facts, oldest first."""
    facts = call.migrator().read_history(options.names)
    if call.output.is_json:
        call.output.list_document("facts", map(json_documents.of_fact, facts))
        return ExitCode.OK
    is_empty = True
    for block in table.blocks(map(_row, facts)):
        call.output.data("\n".join(block))
        is_empty = False
    if is_empty:
        call.output.note("nothing has happened yet")
    return ExitCode.OK


def _row(fact: Fact) -> tuple[str, ...]:
    return (
        words.moment(fact.created_at),
        shortened(fact.name, table.LONGEST_NAME),
        fact.type.label,
        "@".join(part for part in (fact.database_user, fact.host) if part),
        ", ".join(_details(fact)),
    )


def _details(fact: Fact) -> Iterator[str]:
    if (verdict := fact.text("as")) is not None:
        yield f"as {verdict}"
    if (attempt := fact.integer("attempt") or 1) > 1:
        yield f"attempt {attempt}"
    if (statement := fact.integer("statement")) is not None:
        yield f"statement {statement} of {fact.integer('statements') or '?'}"
    if (milliseconds := fact.integer("duration_ms")) is not None:
        yield words.duration(milliseconds / 1000)
    if (objects := fact.integer("objects")) is not None:
        yield words.counted(objects, "object")
    if (by := fact.text("by")) is not None and by != "run":
        yield f"by {by}"
    imported = origins.sentence(fact)
    if imported is not None:
        yield imported
    if (message := fact.error_message or fact.text("reason")) is not None and message not in (imported or ""):
        yield message
    yield from blocked_by.sentences(blocked_by.of_fact(fact))


COMMAND = Command(
    about=(
        "Prints what happened, fact by fact, oldest first: when (UTC), to which migration, what, by whom and where, "
        "and what else is known; of what another tool did, when, and by whom. Reads only."
    ),
    document="facts (position, name, version, event_type, created_at, database_user, run_id, host, event_data)",
    run=run,
    options_type=Options,
    takes=Positionals.NAMES,
    examples=("zmig history manifests/demo.yaml", "zmig history manifests/demo.yaml 003_seed_initial_data"),
)
