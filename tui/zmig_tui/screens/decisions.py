"""What a person decides about migrations, recorded with a reason: resolve, accept, baseline. Nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.models import availability
from zmig_tui.models.last_statement import last_statement
from zmig_tui.pages import known
from zmig_tui.text import line

if TYPE_CHECKING:
    from collections.abc import Callable

    from zmig_tui.controller import Controller
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.models.details import Detail
    from zmig_tui.models.rows import Row
    from zmig_tui.screens.decision_dialogs import Resolution
    from zmig_tui.screens.prompts import Prompts


class Decisions:
    """Shows what is known, asks for a reason, and has the decision recorded."""

    def __init__(self, controller: Controller, model: ConsoleModel, prompts: Prompts) -> None:
        self._controller = controller
        self._model = model
        self._prompts = prompts

    def resolve(self, row: Row | None, detail: Detail | None) -> None:
        """Ask what a migration is to be recorded as; `detail` is what was read of it, if that is there already."""
        if row is None:
            return

        def decided(resolution: Resolution) -> None:
            self._record(
                f"resolve {row.name} as {resolution.verdict}",
                resolution.reason,
                lambda: self._controller.resolve(self._target(row), resolution.verdict, resolution.reason),
            )

        self._prompts.resolve(row.name, known.state_lines(row, last_statement(row.entry, detail)), decided)

    def accept(self, row: Row | None) -> None:
        """Ask whether the file of an applied migration is right as it is now."""
        if row is None:
            return
        title = f"accept the file of {row.name}"

        def decided(reason: str) -> None:
            self._record(title, reason, lambda: self._controller.accept(self._target(row), reason))

        self._prompts.ask_reason(title, known.edit_lines(row), decided)

    def baseline(self, row: Row | None) -> None:
        """Ask whether the database has everything up to a migration already."""
        chosen = availability.to_baseline(row, self._model.observation)
        if row is None or row.entry.migration is None or not chosen:
            return
        version = row.entry.migration.version
        title = f"baseline up to {row.name}"

        def decided(reason: str) -> None:
            self._record(title, reason, lambda: self._controller.baseline(version, reason))

        self._prompts.ask_reason(title, known.baseline_lines(chosen), decided)

    def _target(self, row: Row) -> str:
        """Return how a decision names a migration: by its version where several have its name."""
        return str(row.entry.version) if self._model.is_ambiguous(row.entry.name) else row.entry.name

    def _record(self, title: str, reason: str, record: Callable[[], None]) -> None:
        """Record a decision; in production ask first."""
        if self._model.is_production:
            self._prompts.confirm(title, [line("reason: ", reason)], record, is_destructive=True)
        else:
            record()
