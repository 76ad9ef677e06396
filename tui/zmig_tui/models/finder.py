"""What can be chosen by its name: commands with their keys, migrations, themes; narrowed by what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

MOST_FOUND = 200
"""How many are shown of those that fit: more are not read, they are narrowed further."""


@valueclass
class Choice:
    """Something that can be chosen."""

    label: str
    about: str = ""
    key: str = ""
    """The key that does the same, or what else is in its place."""
    why_not: str | None = None
    """Why it can do nothing now; None where it can."""
    run: Callable[[], Awaitable[object]] | None = None
    """Does it; None for what is only to be read."""

    def rank(self, words: Sequence[str]) -> int | None:
        """Return how well it fits words that are in lower case, 0 is best; None where it does not."""
        label = self.label.lower()
        haystack = f"{self.key.lower()} {label} {self.about.lower()}"
        if not all(word in haystack for word in words):
            return None
        typed = " ".join(words)
        if typed in (self.key, label):
            return 0
        if label.startswith(typed):
            return 1
        return 2 if typed in label else 3


@valueclass
class Group:
    """Choices of one kind."""

    title: str
    choices: Sequence[Choice]


@valueclass
class Found:
    """What fits: groups in their order, or where something is typed, the best first, all in one."""

    groups: Sequence[Group]
    left_out: int = 0
    """How many fit, too, and are not among them."""


def narrowed(groups: Iterable[Group], text: str) -> Found:
    """Return what fits a text: every word of it occurs."""
    words = text.split()
    if not words:
        return _limited(groups)
    keys = [choice for group in groups for choice in group.choices if choice.key == text.strip()]
    low = [word.lower() for word in words]
    ranked = (
        (rank, choice)
        for group in groups
        for choice in group.choices
        if choice not in keys and (rank := choice.rank(low)) is not None
    )
    fitting = [*keys, *(choice for _, choice in sorted(ranked, key=lambda pair: pair[0]))]
    return Found((Group("", fitting[:MOST_FOUND]),) if fitting else (), max(len(fitting) - MOST_FOUND, 0))


def _limited(groups: Iterable[Group]) -> Found:
    """Return groups with as many choices as are shown."""
    kept: list[Group] = []
    left_out = 0
    for group in groups:
        if group.choices:
            kept.append(Group(group.title, group.choices[:MOST_FOUND]))
            left_out += max(len(group.choices) - MOST_FOUND, 0)
    return Found(kept, left_out)
