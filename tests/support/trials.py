"""Trials of migrations on the tests' server, as `zmig lint --try` makes them on one that is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zmig.process.interrupts import Interrupts
from zmig.verification import trial_remarks, trying

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zmig.lint.base import Comparison
    from zmig.lint.entries import Gathered
    from zmig.lint.run import Trial
    from zmig.lint.tried import TrialReport


def trying_on(server: str, names: Sequence[str] = (), *, base: str | None = None) -> Trial:
    """Return what tries a manifest's migrations on a server: those that are named, or new since `base`, or all."""

    def trial(gathered: Gathered, compared: Comparison | None) -> TrialReport:
        task = trying.task(gathered, compared, base=base, names=names, scratch_url=server, environ=os.environ)
        if task is None:
            return trial_remarks.not_readable()
        made = trying.try_out(task, interrupts=Interrupts(), hear=lambda _migration, _what: None)
        return trial_remarks.of_trial(made, gathered.entries, [one.version for one in task.chosen])

    return trial
