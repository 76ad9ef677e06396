"""What keys do to backends of the server: cancel a statement, terminate whoever blocks the run, or the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmig_tui.models import blocking
from zmig_tui.pages import backend_view
from zmig_tui.text import EMPTY, line, one_line

if TYPE_CHECKING:
    from zmig.database.activity import Backend, Blocking
    from zmig.presentation.spans import Line
    from zmig_tui.controller import Controller
    from zmig_tui.models.blocking import BackendChoice
    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.screens.prompts import Prompts

_TERMINATE = "terminate a backend that blocks the run"


class BackendActions:
    """Asks which backend is meant and whether to act on it, and does so."""

    def __init__(self, controller: Controller, model: ConsoleModel, prompts: Prompts) -> None:
        self._controller = controller
        self._model = model
        self._prompts = prompts

    def cancel_statement(self) -> None:
        """Ask whether the statement that a run in another process executes is to be cancelled."""
        work = self._model.work
        if work is None:
            self._prompts.notify("nothing is running", is_warning=True)
            return
        backend = work.backend
        self._prompts.confirm(
            f"cancel the statement of backend {backend.pid}",
            backend_view.worker_lines(backend, self._statement()),
            lambda: self._controller.cancel_statement(backend),
            is_destructive=True,
        )

    def terminate_blocker(self) -> None:
        """Ask the server who blocks the run, whatever was observed last, and then which of them to terminate."""
        if self._model.holder is None:
            self._prompts.notify("nothing is running", is_warning=True)
            return
        question = object()
        self._prompts.wait_for(question, _TERMINATE, "looking who blocks it …")
        self._controller.find_blockers(question, self._model.runs.blockers.blockers)

    def show_blockers(self, blockers: Blocking) -> None:
        """Ask which of those that block the run to terminate."""
        choices = blocking.choices(blockers)
        if not choices:
            self._prompts.read("nothing to terminate", backend_view.no_blocker_lines(blockers))
        elif len(choices) == 1:
            self._confirm_terminating(choices[0])
        else:
            self._prompts.pick(
                _TERMINATE,
                "Which one? Its transaction is rolled back.",
                [choice.text for choice in choices],
                lambda index: self._confirm_terminating(choices[index]),
            )

    def _confirm_terminating(self, choice: BackendChoice) -> None:
        self.terminate_other(choice.backend, choice.why)

    def cancel_other(self, backend: Backend, role: str) -> None:
        """Ask whether the statement of a backend is to be cancelled that does not run the migration.

        `role` is what it does to the run.
        """
        self._prompts.confirm(
            f"cancel the statement of backend {backend.pid}, which {role}",
            [*backend_view.blocker_lines(backend), EMPTY, *_effects(backend)],
            lambda: self._controller.cancel_statement(backend),
            is_destructive=True,
        )

    def terminate_other(self, backend: Backend, role: str) -> None:
        """Ask whether a backend is to be terminated that does not run the migration."""
        self._prompts.confirm(
            f"terminate backend {backend.pid}, which {role}",
            backend_view.blocker_lines(backend),
            lambda: self._controller.terminate_blocker(backend),
            is_destructive=True,
        )

    def end_run(self) -> None:
        """Ask whether the backend that runs the migration is to be terminated."""
        work = self._model.work
        if work is None:
            self._prompts.notify("nothing is running", is_warning=True)
            return
        backend, name = work.backend, self._model.running_name
        runs = f"runs `{name}`" if name else "holds the run's lock"
        warning = "The run loses its connection; its open transaction is rolled back. c cancels it more gently."
        self._prompts.confirm(
            f"terminate backend {backend.pid}, which {runs}",
            [*backend_view.worker_lines(backend, self._statement()), EMPTY, line(warning)],
            lambda: self._controller.terminate(backend),
            is_destructive=True,
        )

    def _statement(self) -> str:
        """Return the migration's statement that runs."""
        current = self._model.runs.current
        return one_line(current.text) if current is not None else ""


def _effects(backend: Backend) -> list[Line]:
    """Return what cancelling a statement would not do."""
    if (backend.state or "").startswith("idle"):
        return [
            line("It has no statement now, so that cancelling changes nothing: it keeps its locks. K terminates it.")
        ]
    return [line("Its statement fails; its connection stays. Locks are released when its transaction ends.")]
