"""The command palette: everything a key does, found by its name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from zmig_tui.screens import keys
from zmig_tui.screens.main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.binding import Binding


class ActionCommands(Provider):
    """Offers the main screen's actions, on the main screen."""

    async def discover(self) -> Hits:
        """Offer everything."""
        for binding in self._bindings():
            yield DiscoveryHit(binding.tooltip, self._do(binding), help=_key(binding))

    async def search(self, query: str) -> Hits:
        """Offer what fits the query."""
        matcher = self.matcher(query)
        for binding in self._bindings():
            text = f"{binding.description}: {binding.tooltip}"
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), self._do(binding), help=_key(binding))

    def _bindings(self) -> Iterator[Binding]:
        if not isinstance(self.screen, MainScreen):
            return
        yield from keys.RUNNING
        yield from keys.LOOKING

    def _do(self, binding: Binding) -> partial[object]:
        return partial(self.screen.run_action, binding.action)


def _key(binding: Binding) -> str:
    return f"key {binding.key_display or binding.key}"
