"""What the command palette and the help list: sources, each of which gives groups of choices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from zmig.presentation import words
from zmig_tui.models.finder import Choice, Group
from zmig_tui.screens import keys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

    from textual.app import App
    from textual.binding import Binding

    from zmig_tui.models.offers import Offer
    from zmig_tui.models.rows import Row

    Source = Callable[[], Iterable[Group]]

_MOST_NOW = 8
_GROUPS = {"run": "runs and decisions", "look": "looking", "find": "finding", "": "the console"}
"""The groups of the help, by what the names of their keys begin with."""


class KeyChoices:
    """The main screen's keys as choices."""

    def __init__(self, run: Callable[[str], Awaitable[object]], why_not: Callable[[str], str | None]) -> None:
        """`run` does what a key does; `why_not` says why it can do nothing."""
        self._run = run
        self._why_not = why_not

    def commands(self) -> Iterator[Group]:
        """Yield everything that a key does, for the palette; what can be done now first."""
        found = [self._choice(binding) for binding in (*keys.RUNNING, *keys.LOOKING)]
        yield Group("commands", sorted(found, key=lambda choice: choice.why_not is not None))

    def help(self, offered: Sequence[Offer]) -> Iterator[Group]:
        """Yield every key: those that fit what goes on first, then by what they are about."""
        bindings = {binding.key: binding for binding in (*keys.RUNNING, *keys.LOOKING)}
        now = [offer.key for offer in offered if offer.key in bindings][:_MOST_NOW]
        yield Group("now", [self._choice(bindings.pop(key)) for key in now])
        for name, title in _GROUPS.items():
            kept = [one for one in bindings.values() if _group_of(one) == name]
            yield Group(title, [self._choice(one) for one in kept])
        yield Group("moving", [Choice(label, about, key) for key, label, about in keys.MOVING])

    def _choice(self, binding: Binding) -> Choice:
        return Choice(
            binding.description,
            binding.tooltip,
            binding.key_display or binding.key,
            self._why_not(binding.action),
            partial(self._run, binding.action),
        )


def _group_of(binding: Binding) -> str:
    name = (binding.id or "").partition(".")[0]
    return name if name in _GROUPS else ""


def migrations(rows: Sequence[Row], go_to: Callable[[Row], Awaitable[object]]) -> Iterator[Group]:
    """Yield the migrations; choosing one goes there."""
    yield Group(
        "migrations",
        [
            Choice(
                row.name,
                f"{row.glyph} {words.state(row.state)} {row.findings}".rstrip(),
                str(row.version or ""),
                run=partial(go_to, row),
            )
            for row in rows
        ],
    )


def themes(app: App[int]) -> Iterator[Group]:
    """Yield the themes; choosing one changes to it."""

    async def change(name: str) -> None:
        app.theme = name

    names = sorted(app.available_themes, key=lambda name: (not name.startswith("zmig"), name))
    yield Group(
        "themes",
        [Choice(f"theme {name}", "now" if name == app.theme else "", run=partial(change, name)) for name in names],
    )
