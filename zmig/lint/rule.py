"""What a rule of `zmig lint` is: its code, how much it matters and why, which group it is of."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from dataclasses import KW_ONLY

    from zmig.lint.finding import Severity


class Needs(StrEnum):
    """What a rule needs besides the manifest and its files."""

    NOTHING = "nothing"
    GRAMMAR = "grammar"
    """PostgreSQL's own parser, from the package postgast."""
    SQUAWK = "squawk"
    """The program squawk."""
    BASE = "base"
    """A revision to compare with: `--base`."""
    SERVER = "server"
    """A server to try the migrations on: `--try`."""


class Group(StrEnum):
    """What a rule keeps people from. Rules that no other group has are of the one that their code begins with."""

    FAILS = "fails"
    LOCK = "lock"
    COMPAT = "compat"
    DATA = "data"
    SECURITY = "security"
    REPLICATION = "replication"
    TASTE = "taste"


class Danger(StrEnum):
    """What a rule is about that a server shows, so that two rules can mean the same."""

    REWRITE = "rewrite"
    SCAN = "scan"
    BUILD = "build"
    FAILURE = "failure"
    CERTAIN_FAILURE = "certain failure"
    """A failure on every server, whatever the tables hold: where one carries the statement out, there is none."""
    UNDONE = "undone"
    """Whether a rollback undoes everything."""


WORK = (Danger.REWRITE, Danger.SCAN, Danger.BUILD)
"""What takes as long as a table is large."""


@valueclass
class Rule:
    """One rule."""

    code: str
    severity: Severity | None
    """None for a rule that is off."""
    summary: str
    needs: Needs = Needs.NOTHING
    harm: Group | None = None
    """Its group, where that is another one than the one its code begins with."""
    _: KW_ONLY
    why: str = ""
    """Why it is off, or matters less than others of its group."""
    dangers: tuple[Danger, ...] = ()
    """What it means of what a trial on a server shows."""

    @property
    def group(self) -> str:
        """The group that manifests can name as `group/...`."""
        return self.code.partition("/")[0] if self.harm is None else self.harm.value

    @property
    def page(self) -> str:
        """The page that explains it, from the root of the repository."""
        return "docs/verify.md" if self.code.startswith("verify/") else f"docs/rules/{self.code}.md"
