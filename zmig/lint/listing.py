"""Every rule as a list, with how much each matters to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zmig.lint.registry import RULES, severities
from zmig.lint.rule import Needs
from zmig.manifest.lint_keys import LintSettings
from zmig.project import inclusion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zmig.lint.finding import Severity

_NEEDS = {
    Needs.NOTHING: "",
    Needs.GRAMMAR: "postgast",
    Needs.SQUAWK: "squawk",
    Needs.BASE: "--base",
    Needs.SERVER: "--try",
}


class ListedRule(NamedTuple):
    """A rule as it is listed."""

    rule: str
    group: str
    severity: str
    """What the manifest makes of it."""
    default: str
    needs: str
    summary: str
    why: str
    """Why it is off, or matters less than others of its group."""


def listed(path: Path | None, *, environ: Mapping[str, str]) -> list[ListedRule]:
    """Return every rule, with how much it matters to the manifest at `path`, if there is one.

    Raises ManifestError where it cannot be read.
    """
    settings = LintSettings()
    if path is not None:
        read = inclusion.read(path, environ=environ)
        if not read.opened:
            read.raise_for_problems()
        settings = read.opened[0].manifest.lint
    here = severities(settings, settings)
    return [
        ListedRule(
            code,
            rule.group,
            _word(here[code]),
            _word(rule.severity),
            _NEEDS[rule.needs],
            rule.summary,
            rule.why,
        )
        for code, rule in RULES.items()
    ]


def _word(severity: Severity | None) -> str:
    return "off" if severity is None else severity.value
