"""Words in, a command and its options out. What does not fit is a `UsageError` that names what comes near."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentError, ArgumentParser
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from zmig.cli import suggestions
from zmig.cli.command import COMMON, AnyCommand, Option, Options, Positionals
from zmig.cli.commands import COMMANDS
from zmig.errors import Problem, UsageError
from zmig.text.nearest import nearest
from zmig.valueclass import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WITH_NAMES = (Positionals.NAME, Positionals.NAME_OR_NONE, Positionals.NAMES, Positionals.SOME_NAMES)


def find(name: str) -> AnyCommand:
    """Return the command of that name. Raises UsageError with the nearest one."""
    if name in COMMANDS:
        return COMMANDS[name].load()
    if name.startswith("-"):
        raise _usage(f"option `{name}` is before the command", f"write `zmig COMMAND {name}`")
    raise _usage(f"unknown command `{name}`", suggestions.hint(name))


def parse(name: str, command: AnyCommand, words: Sequence[str]) -> Options:
    """Return the options that the words after a command's name amount to. Raises UsageError."""
    before, rest = _split(words)
    options: Options = command.options_type()
    parser = _Parser(name, (*command.options, *COMMON))
    positional, unknown = _parsed(parser, before, options)
    for word in unknown:
        if word.startswith("-"):
            raise _unknown_option(name, word, command)
    for option in command.options:
        if option.is_required and getattr(options, option.key) is None:
            raise _usage(f"`zmig {name}` needs `{option.spelling}`", f"see `zmig {name} --help`")
    options.rest = rest if command.takes is Positionals.ACTION else []
    _assign(name, command, options, [*positional, *(rest if command.takes is not Positionals.ACTION else [])])
    return options


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Cut at the first `--`: what is after it is for another program, or no option however it is written."""
    if "--" not in words:
        return list(words), []
    place = words.index("--")
    return list(words[:place]), list(words[place + 1 :])


class _Parser(ArgumentParser):
    def __init__(self, name: str, options: Iterable[Option]) -> None:
        super().__init__(prog=f"zmig {name}", add_help=False, allow_abbrev=False, exit_on_error=False, usage=SUPPRESS)
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
        raise UsageError(*(_of_option(problem, option) for problem in error.problems)) from None


def _of_option(problem: Problem, option: Option) -> Problem:
    return replace(problem, message=problem.message.replace("the option", f"option `{option.name}`"))


def _parsed(parser: _Parser, words: list[str], options: Options) -> tuple[list[str], list[str]]:
    try:
        _, unknown = parser.parse_known_intermixed_args(words, options)
    except ArgumentError as error:
        raise _usage(f"option `{error.argument_name}`: {error.message}", f"see `{parser.prog} --help`") from None
    return vars(options).pop("words"), unknown


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
    options.manifest = None
    if words and (command.takes not in _WITH_NAMES or words[0].endswith((".yaml", ".yml"))):
        options.manifest = words.pop(0)
    options.names = words
    _check_count(name, command, words)


def _action(name: str, command: AnyCommand, words: list[str]) -> str:
    known = ", ".join(command.actions)
    if not words:
        raise _usage(f"`zmig {name}` needs an action: {known}", f"write `zmig {name} {next(iter(command.actions))}`")
    if words[0] not in command.actions:
        near = nearest(words[0], command.actions) or next(iter(command.actions))
        raise _usage(f"`zmig {name}` has no action `{words[0]}`: {known}", f"write `zmig {name} {near}`")
    return words[0]


def _check_count(name: str, command: AnyCommand, names: list[str]) -> None:
    see = f"see `zmig {name} --help`"
    if command.takes is Positionals.NAME and len(names) != 1:
        found = f"and got {len(names)}" if names else "and none is given"
        raise _usage(f"`zmig {name}` takes one name, {found}", see)
    if command.takes is Positionals.NAME_OR_NONE and len(names) > 1:
        raise _usage(f"`zmig {name}` takes one name at most, and got {len(names)}", see)
    if command.takes is Positionals.SOME_NAMES and not names:
        raise _usage(f"`zmig {name}` takes one name or more, and none is given", see)
    if command.takes in (Positionals.MANIFEST, Positionals.ACTION) and names:
        raise _usage(f"`zmig {name}` takes one manifest: `{names[0]}` is one word too many", see)


def _usage(message: str, hint: str) -> UsageError:
    return UsageError(Problem("usage", message, hint=hint))
