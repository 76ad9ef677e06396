"""`zmig pause` and `zmig resume`: a batched migration that runs elsewhere waits between two rounds, and goes on."""

from __future__ import annotations

from zmig.cli.command import Command, CommandContext, Option, Options, Positionals
from zmig.errors import ExitCode
from zmig.hints import command


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
