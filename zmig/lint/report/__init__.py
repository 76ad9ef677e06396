"""The formats that findings are reported in. Each is one pure function from a report to a text."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.run import Report

_RENDERERS = {
    "text": ("text", "render"),
    "json": ("json", "render"),
    "github": ("github", "render"),
    "gitlab": ("gitlab", "render"),
    "sarif": ("sarif", "render"),
    "junit": ("junit", "render"),
    "rdjson": ("rdjson", "render"),
    "rdjsonl": ("rdjson", "render_lines"),
}
"""The module and the function of each, by the name that `--format` takes; what writes XML takes long to import."""
FORMATS = tuple(_RENDERERS)


def renderer(form: str) -> Callable[[Report], str]:
    """Return the function for a format. Raises KeyError for one that there is none of."""
    module, function = _RENDERERS[form]
    found: Callable[[Report], str] = getattr(import_module(f"{__name__}.{module}"), function)
    return found
