"""What an operator says of migrations: `zmig resolve`, `accept` and `baseline`; `pause` and `resume` of a batch."""

from __future__ import annotations

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals, version_number
from zmig.cli.locking import LOCK_WAIT, running
from zmig.errors import ExitCode
from zmig.hints import command
from zmig.presentation import words

_REASON = Option("--reason", "why this is right; it is in the history for ever", "TEXT", is_required=True)


class DecideOptions(Options):
    """What every decision needs."""

    reason: str
    lock_wait: float | None


class ResolveOptions(DecideOptions):
    """The options of `zmig resolve`."""

    verdict: str


class BaselineOptions(DecideOptions):
    """The options of `zmig baseline`."""

    to: int


def _resolve(call: CommandContext, options: ResolveOptions) -> ExitCode:
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        name = migrator.resolve(options.names[0], options.verdict, reason=options.reason)
    call.output.note(f"migration `{name}` is resolved as {options.verdict}")
    if options.json:
        call.output.document({"name": name, "resolved_as": options.verdict})
    return ExitCode.OK


def _accept(call: CommandContext, options: DecideOptions) -> ExitCode:
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        names = migrator.accept_all(options.names, reason=options.reason)
    for name in names:
        call.output.note(f"the file of migration `{name}` is accepted as it is now")
    if options.json:
        call.output.document({"name": names[0], "names": names})
    return ExitCode.OK


def _baseline(call: CommandContext, options: BaselineOptions) -> ExitCode:
    with running(call, lock_wait_seconds=options.lock_wait) as migrator:
        names = migrator.baseline(to=options.to, reason=options.reason)
    for name in names:
        call.output.note(f"recorded as applied: {name}")
    call.output.note(f"{words.counted(len(names), 'migration')} recorded, nothing was run")
    if options.json:
        call.output.document({"names": names})
    return ExitCode.OK


class PauseOptions(Options):
    """The options of `zmig pause`."""

    reason: str | None


def _pause(call: CommandContext, options: PauseOptions) -> ExitCode:
    name = call.migrator().pause(_name(options), reason=options.reason or "")
    resume = call.hints.phrase(command("resume", *options.names))
    return _printed(call, name, f"waits after its current round, until {resume}")


def _resume(call: CommandContext, options: Options) -> ExitCode:
    return _printed(call, call.migrator().resume(_name(options)), "goes on")


def _name(options: Options) -> str | None:
    return options.names[0] if options.names else None


def _printed(call: CommandContext, name: str, what: str) -> ExitCode:
    call.output.note(f"migration `{name}` {what}")
    if call.output.is_json:
        call.output.document({"name": name})
    return ExitCode.OK


RESOLVE = Command(
    about=(
        "Records that a migration is done, failed or pending, whatever the facts said before, and runs nothing. "
        "For a migration that was finished, or undone, by hand."
    ),
    document="name, resolved_as",
    run=_resolve,
    options_type=ResolveOptions,
    options=(
        Option("--as", "what it is from now on", "done|failed|pending", attribute="verdict", is_required=True),
        _REASON,
        LOCK_WAIT,
    ),
    takes=Positionals.NAME,
    examples=("zmig resolve manifests/demo.yaml 003_seed_initial_data --as done --reason 'seeded by hand'",),
)

ACCEPT = Command(
    about=(
        "Records that the file of an applied migration was changed on purpose, so that it is no longer refused as "
        "edited; of several migrations, all or none. What the database holds stays as it is."
    ),
    document="name (the first one's), names",
    run=_accept,
    options_type=DecideOptions,
    options=(_REASON, LOCK_WAIT),
    takes=Positionals.SOME_NAMES,
    name_help="a migration's name or version; several are accepted together",
    examples=("zmig accept manifests/demo.yaml 001_create_eventstore --reason 'only a comment was added'",),
)

BASELINE = Command(
    about=(
        "Records every migration up to a version that is not applied as applied, without running it: for a database "
        "that has their changes already. One that failed in its transaction left nothing behind, and is recorded too. "
        "What another tool applied, `zmig import --database` records as its own table has it, with when and by whom."
    ),
    document="names",
    run=_baseline,
    options_type=BaselineOptions,
    options=(
        Option("--to", "the last version that the database already has", "VERSION", version_number, is_required=True),
        _REASON,
        LOCK_WAIT,
    ),
    examples=("zmig baseline manifests/demo.yaml --to 2 --reason 'made by the previous tool'",),
)

PAUSE = Command(
    about=(
        "Asks a batched migration, which runs in another process, to wait between two rounds: the one named, else the "
        "one that is running. It keeps the run's lock, and nothing else. One that has not begun waits before its first "
        "round. Takes no lock."
    ),
    document="name",
    run=_pause,
    options_type=PauseOptions,
    options=(Option("--reason", "why; shown where the run waits", "TEXT"),),
    takes=Positionals.NAME_OR_NONE,
    name_help="a migration's name or version; without it, the one that is running",
    examples=("zmig pause manifests/demo.yaml 092_backfill --reason 'nightly report'",),
)

RESUME = Command(
    about="Lets a paused migration go on with its next round: the one named, else the one that is paused.",
    document="name",
    run=_resume,
    options_type=Options,
    takes=Positionals.NAME_OR_NONE,
    name_help="a migration's name or version; without it, the one that is paused",
    examples=("zmig resume manifests/demo.yaml 092_backfill",),
)
