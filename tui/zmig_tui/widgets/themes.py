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


def register(app: App[int], environ: Mapping[str, str]) -> None:
    """Make both themes known, and choose the one that fits the terminal, unless TEXTUAL_THEME names another."""
    app.register_theme(DARK)
    app.register_theme(LIGHT)
    named = environ.get("TEXTUAL_THEME", "")
    is_light = environ.get("COLORFGBG", "").rpartition(";")[2] in {
        "7",
        "15",
    }  # what the terminal says of its background
    fitting = LIGHT.name if is_light else DARK.name
    app.theme = named if named in app.available_themes else fitting
