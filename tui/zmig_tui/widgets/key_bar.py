"""The bar of keys at the bottom of the main screen; a click presses the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.pages.key_line import KeyLine, key_line
from zmig_tui.widgets.banner import Banner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click

    from zmig_tui.models.offers import Offer


class KeyBar(Banner):
    """As many keys as there is room for."""

    _drawn = KeyLine()
    _offers: Sequence[Offer] = ()

    def draw(self, offers: Sequence[Offer], *, kept: int) -> None:
        """Show keys; the last `kept` ones in any case."""
        self._offers = offers
        self._drawn = key_line(offers, self.screen.size.width, kept=kept)
        self.show([self._drawn.line])

    @property
    def offers(self) -> Sequence[Offer]:
        """The keys that are offered, those included for which there is no room."""
        return self._offers

    def on_click(self, event: Click) -> None:
        """Press the key under the mouse."""
        offer = self._drawn.at(event.x)
        if offer is not None:
            self.app.simulate_key(offer.key)  # pyright: ignore[reportUnknownMemberType] - a bare App
