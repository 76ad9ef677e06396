"""The console's own colours, dark and light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import App

DARK = Theme(
    name="zmig-dark",
    primary="#7aa2f7",
    secondary="#bb9af7",
    accent="#7dcfff",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c8d0e8",
    background="#16181f",
    surface="#1b1e27",
    panel="#252936",
    dark=True,
    variables={"block-cursor-text-style": "none", "footer-key-foreground": "#7dcfff"},
)
LIGHT = Theme(
    name="zmig-light",
    primary="#2a5db0",
    secondary="#7a4bb5",
    accent="#00708a",
    warning="#8f5b00",
    error="#b3261e",
    success="#2f7d32",
    foreground="#20242e",
    background="#fbfbfd",
    surface="#f2f3f7",
    panel="#e4e6ee",
    dark=False,
    variables={"block-cursor-text-style": "none", "footer-key-foreground": "#00708a"},
)


def register(
    app: App[int], environ: Mapping[str, str], *, chosen: str = "", has_light_background: bool | None = None
) -> None:
    """Make both themes known, and choose one: TEXTUAL_THEME's, else the one `chosen` before, else what fits.

    `has_light_background` is what the terminal itself says; where it says nothing, COLORFGBG may.
    """
    app.register_theme(DARK)
    app.register_theme(LIGHT)
    if has_light_background is None:
        has_light_background = environ.get("COLORFGBG", "").rpartition(";")[2] in {"7", "15"}
    fitting = LIGHT.name if has_light_background else DARK.name
    named = [name for name in (environ.get("TEXTUAL_THEME", ""), chosen) if name in app.available_themes]
    app.theme = named[0] if named else fitting
