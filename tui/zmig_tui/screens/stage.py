"""What screens need of the application around them."""

from __future__ import annotations

from textual.app import App


class Stage(App[int]):
    """The application, as screens know it."""

    def tell_page(self, *, is_running: bool) -> None:
        """Tell the page of the console, if it has one, whether a run goes on."""
        raise NotImplementedError
