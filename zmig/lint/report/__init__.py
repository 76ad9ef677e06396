"""The formats that findings are reported in. Each is one pure function from a report to a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.report import github, gitlab, json, junit, rdjson, sarif, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig.lint.run import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "json": json.render,
    "github": github.render,
    "gitlab": gitlab.render,
    "sarif": sarif.render,
    "junit": junit.render,
    "rdjson": rdjson.render,
    "rdjsonl": rdjson.render_lines,
}
"""By the name that `--format` takes."""
