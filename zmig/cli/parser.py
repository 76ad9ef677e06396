"""Words in, a command and its options out. What does not fit is a `UsageError` that names what comes near."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentError, ArgumentParser, HelpFormatter
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from zmig.cli.command import COMMON, AnyCommand, Option, Options, Positionals
from zmig.cli.registry import COMMANDS
from zmig.errors import Problem, UsageError
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_WITH_NAMES = (Positionals.NAME, Positionals.NAME_OR_NONE, Positionals.NAMES, Positionals.SOME_NAMES)


def find(name: str, following: Sequence[str] = ()) -> AnyCommand:
    """Return the command of that name. Raises UsageError with the nearest one, by the words that follow, too."""
    if name in COMMANDS:
        return COMMANDS[name].load()
    if name.startswith("-"):
        raise _usage(f"option `{name}` is before the command", f"write `zmig COMMAND {name}`")
    raise _usage(f"unknown command `{name}`", likely_command(name, following))


_NEVER_GUESSED = frozenset({"reset", "rollback", "resolve", "accept", "baseline", "retry"})
"""What takes away or records: a hint is often followed without a second look."""

_APPLY, _CREATE, _STATUS = "write `zmig apply`", "write `zmig create`", "write `zmig status`"
_ROLLBACK, _BASELINE = "see `zmig rollback --help`", "see `zmig baseline --help`"
_INIT, _IMPORT = "write `zmig init`", "write `zmig import`"
_LINT, _PLAN, _HISTORY, _CONSOLE = "write `zmig lint`", "write `zmig plan`", "write `zmig history`", "write `zmig tui`"
_SEE_HELP = "see the commands with `zmig help`"
_OTHER_TOOLS = {
    **dict.fromkeys(("migrate", "up", "upgrade", "deploy", "update", "run", "latest", "head", "push", "sync"), _APPLY),
    **dict.fromkeys(("down", "downgrade", "undo", "revert", "back", "redo"), _ROLLBACK),
    **dict.fromkeys(("new", "generate", "add", "make", "revision", "gen"), _CREATE),
    **dict.fromkeys(("info", "list", "ls", "show", "pending"), _STATUS),
    **dict.fromkeys(("current", "heads"), "write `zmig version`"),
    **dict.fromkeys(("validate", "check"), _LINT),
    **dict.fromkeys(("stamp", "mark", "fake"), _BASELINE),
    **dict.fromkeys(("setup", "start", "bootstrap"), _INIT),
    **dict.fromkeys(("adopt", "convert", "takeover"), _IMPORT),
    **dict.fromkeys(("preview", "diff", "dry-run"), _PLAN),
    **dict.fromkeys(("log", "logs", "events"), _HISTORY),
    **dict.fromkeys(("ui", "console", "top"), _CONSOLE),
    **dict.fromkeys(("clean", "drop", "test", "repair", "force", "fresh", "dump", "load", "wait"), _SEE_HELP),
}
"""What the commands of other tools are called here; nothing is offered for what zmig does not do."""


_GROUPS = frozenset({"migrate", "migration", "migrations", "db", "database", "schema"})
"""Words before a command's own in other tools, as in `migrate status` and `db:rollback`."""
_IN_GROUPS = {"dev": _CREATE, **dict.fromkeys(("goto", "pull", "reset"), _SEE_HELP)}


def likely_command(name: str, following: Sequence[str] = ()) -> str:
    """Return what to write in place of an unknown command: another tool's word, or a slip of the hand."""
    group, *parts = name.lower().split(":")
    if group in _GROUPS:
        for word in (*reversed(parts), *following):
            if (hint := _of_a_group(word.lower())) is not None:
                return hint
    known = _OTHER_TOOLS.get(group if group in _GROUPS else name.lower())
    if known is not None:
        return known
    near = nearest(name, (command for command in COMMANDS if command not in _NEVER_GUESSED))
    return f"write `zmig {near}`" if near is not None else _SEE_HELP


def _of_a_group(word: str) -> str | None:
    """Return what a word means that is after the name of a group of commands; None where it is none of theirs."""
    hint = _IN_GROUPS.get(word) or _OTHER_TOOLS.get(word)
    if hint is not None or word not in COMMANDS or word in _GROUPS:
        return hint
    return f"see `zmig {word} --help`" if word in _NEVER_GUESSED else f"write `zmig {word}`"


def parse(name: str, command: AnyCommand, words: Sequence[str]) -> Options:
    """Return the options that the words after a command's name amount to. Raises UsageError."""
    # What is after the first `--` is for another program, or no option however it is written.
    end = words.index("--") if "--" in words else len(words)
    before, rest = list(_with_values(words[:end], command)), list(words[end + 1 :])
    options: Options = command.options_type()
    parser = _Parser(name, (*command.options, *COMMON))
    try:
        _, unknown = parser.parse_known_intermixed_args(before, options)
    except ArgumentError as error:
        raise _usage(f"option `{error.argument_name}`: {error.message}", f"see `{parser.prog} --help`") from None
    positional: list[str] = vars(options).pop("words")
    for word in unknown:
        if word.startswith("-"):
            raise _unknown_option(name, word, command)
    for option in command.options:
        if option.is_required and getattr(options, option.key) is None:
            raise _usage(f"`zmig {name}` needs `{option.spelling}`", f"see `zmig {name} --help`")
    options.rest = rest if command.takes is Positionals.ACTION else []
    _assign(name, command, options, [*positional, *(rest if command.takes is not Positionals.ACTION else [])])
    return options


def _with_values(words: Sequence[str], command: AnyCommand) -> Iterator[str]:
    """Yield the words; an option that may lack its value has an empty one where no connection string comes next."""
    names = {option.name for option in command.options if option.may_lack_value}
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        lacks = word in names and (following.startswith("-") or not ("://" in following or "=" in following))
        yield f"{word}=" if lacks else word


_FORMATTER = partial(HelpFormatter, width=80)
"""Help is written by `zmig.cli.help`; but argparse makes one for each option, which would measure the terminal."""


class _Parser(ArgumentParser):
    def __init__(self, name: str, options: Iterable[Option]) -> None:
        super().__init__(
            prog=f"zmig {name}",
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
            usage=SUPPRESS,
            formatter_class=_FORMATTER,
        )
        for option in options:
            names = (option.short, option.name) if option.short else (option.name,)
            if option.metavar is None:
                self.add_argument(*names, dest=option.key, action="store_true")
            else:
                self.add_argument(*names, dest=option.key, type=partial(_parsed_value, option))
        self.add_argument("words", nargs="*")

    def error(self, message: str) -> NoReturn:
        raise _usage(message, f"see `{self.prog} --help`")


def _parsed_value(option: Option, text: str) -> object:
    """Return what an option's value means. Raises UsageError that names the option."""
    try:
        return option.parse(text)
    except UsageError as error:
        named = (problem.message.replace("the option", f"option `{option.name}`") for problem in error.problems)
        changed = (replace(problem, message=text) for problem, text in zip(error.problems, named, strict=True))
        raise UsageError(*changed) from None


_PERMITTING = ("--yes", "--confirm", "--terminate", "--allow-existing", "--allow-out-of-order", "--include-repeatables")
"""Options that permit something: whoever means one of them spells it."""


def _unknown_option(name: str, word: str, command: AnyCommand) -> UsageError:
    given = word.partition("=")[0]
    known = [option.name.lstrip("-") for option in (*command.options, *COMMON) if option.name not in _PERMITTING]
    near = nearest(given.lstrip("-"), known)
    hint = f"write `--{near}`" if near else f"see the options with `zmig {name} --help`"
    return _usage(f"`zmig {name}` has no option `{given}`", hint)


def _assign(name: str, command: AnyCommand, options: Options, words: list[str]) -> None:
    """Say which word is what: an action, the manifest, names."""
    if command.takes is Positionals.ACTION:
        options.action = _action(name, command, words)
        del words[:1]
    if command.takes is Positionals.MANIFESTS:
        options.manifests, words = words, []
    if command.takes is Positionals.FOLDER:
        options.folder = words.pop(0) if words else None
    else:
        is_manifest = words and (command.takes not in _WITH_NAMES or words[0].endswith((".yaml", ".yml")))
        options.manifest = words.pop(0) if is_manifest else None
    options.names = words
    _check_count(name, command, words)


def _action(name: str, command: AnyCommand, words: list[str]) -> str:
    known = ", ".join(command.actions)
    if not words:
        raise _usage(f"`zmig {name}` needs an action: {known}", f"write `zmig {name} {next(iter(command.actions))}`")
    if words[0] not in command.actions:
        near = nearest(words[0], command.actions)
        other = _of_a_group(words[0].lower()) if near is None else None
        hint = other or f"write `zmig {name} {near or next(iter(command.actions))}`"
        raise _usage(f"`zmig {name}` has no action `{words[0]}`: {known}", hint)
    return words[0]


def _check_count(name: str, command: AnyCommand, names: list[str]) -> None:
    see = f"see `zmig {name} --help`"
    if command.takes is Positionals.NAME and len(names) != 1:
        got = f"and got {len(names)}" if names else "and none is given"
        raise _usage(f"`zmig {name}` takes one name, {got}", see)
    if command.takes is Positionals.NAME_OR_NONE and len(names) > 1:
        raise _usage(f"`zmig {name}` takes one name at most, and got {len(names)}", see)
    if command.takes is Positionals.SOME_NAMES and not names:
        raise _usage(f"`zmig {name}` takes one name or more, and none is given", see)
    if command.takes in (Positionals.MANIFEST, Positionals.ACTION) and names:
        raise _usage(f"`zmig {name}` takes one manifest: `{names[0]}` is one word too many", see)
    if command.takes is Positionals.FOLDER and names:
        raise _usage(f"`zmig {name}` takes one folder: `{names[0]}` is one word too many", see)


def _usage(message: str, hint: str) -> UsageError:
    return UsageError(Problem("usage", message, hint=hint))
