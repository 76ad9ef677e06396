"""Checks of what is done to sessions of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig.lint.replay.effects import EndsSessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zmig.lint.entries import Entry
    from zmig.lint.finding import Remark
    from zmig.lint.steps import Step


def ended(entry: Entry, steps: Sequence[Step]) -> Iterator[Remark]:
    """Calls that end sessions of others, or what they do."""
    for step in steps:
        for one in step.of(EndsSessions):
            yield step.remark(
                "compat/ends-sessions",
                one,
                "this ends what others do on the server, and what they have not committed is taken back",
                "remove it: `lock_timeout` and `retry` in the manifest wait for a lock without hurting anybody",
            )
