"""How much each rule matters for the entries of one manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.finding import Severity
from zmig.lint.rules import RULES
from zmig.manifest.lint_keys import Level

if TYPE_CHECKING:
    from zmig.manifest.lint_keys import LintSettings

Severities = dict[str, Severity | None]
"""By rule; None for one that is off."""


def severities(own: LintSettings, root: LintSettings) -> Severities:
    """Return what a manifest says, and over it the one that zmig was given."""
    found: Severities = {code: rule.severity for code, rule in RULES.items()}
    for settings in (own, root):
        for code, choice in settings.severity.items():
            found[code] = None if choice.level is Level.OFF else Severity(choice.level.value)
    return found
