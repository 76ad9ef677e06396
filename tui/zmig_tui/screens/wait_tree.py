"""Who waits for whom, over the whole screen: keys act on the backend under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from zmig_tui.models.wait_tree import Part, WaitNode, WaitTree, wait_tree
from zmig_tui.pages import wait_tree as page
from zmig_tui.screens.pace import Pace
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.item_lines import ItemLines

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from zmig_tui.models.console import ConsoleModel
    from zmig_tui.screens.backend_actions import BackendActions
    from zmig_tui.screens.prompts import Prompts

_SECONDS_BETWEEN_DRAWINGS = 0.25


class WaitTreeScreen(Screen[None]):
    """Shows those that block the run, the run, and those that wait for it, as they were seen last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "cancel", "Cancel its statement", id="waits.cancel"),
        Binding("K", "terminate", "Terminate it", id="waits.terminate"),
        Binding("C", "end_run", "End the run", id="waits.end"),
        Binding("escape,q,w", "leave", "Back", key_display="esc", id="waits.leave"),
    ]

    def __init__(
        self, model: ConsoleModel, prompts: Prompts, backends: BackendActions, *, cancel_run: Callable[[], None]
    ) -> None:
        """`cancel_run` asks whether the statement of the run is to be cancelled."""
        super().__init__()
        self._model = model
        self._prompts = prompts
        self._backends = backends
        self._cancel_run = cancel_run
        self._pace = Pace()
        self._tree = WaitTree()
        self._chosen: tuple[Part, int] | None = None
        """The backend under the cursor, wherever it is in the next tree."""

    def compose(self) -> ComposeResult:
        """Put a title above the tree."""
        yield Banner(id="waits-head")
        yield ItemLines(id="waits")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin with the first of those that block the run."""
        self.draw()
        self.list.focus()
        self.set_interval(_SECONDS_BETWEEN_DRAWINGS, lambda: self._pace.draw(self.draw))

    @property
    def list(self) -> ItemLines:
        """The tree."""
        return self.query_one(ItemLines)

    @property
    def node(self) -> WaitNode | None:
        """The backend under the cursor."""
        index = self.list.index
        return self._tree.nodes[index] if index < len(self._tree.nodes) else None

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def on_screen_resume(self) -> None:
        """Draw what has changed while a question was there."""
        self.draw()

    def draw(self) -> None:
        """Show what was observed last; the cursor stays on its backend."""
        if not self.is_mounted or not self.is_current:
            return
        observation, run = self._model.observation, self._model.runs.shown
        self._tree = wait_tree(observation, run)
        where = observation.status.database if observation is not None else ""
        self.query_one("#waits-head", Banner).show(page.title_lines(self._tree, where))
        keys = [node.key for node in self._tree.nodes]
        index = keys.index(self._chosen) if self._chosen in keys else min(self.list.index, max(len(keys) - 1, 0))
        lines, owners = page.page_lines(self._tree, observation.now, self.size.width - 1) if observation else ([], [])
        self.list.show_items(lines, owners, index)
        self._choose()

    def _choose(self) -> None:
        node = self.node
        chosen = node.key if node is not None else None
        if chosen != self._chosen:
            self._chosen = chosen
            self.refresh_bindings()

    @on(ItemLines.Moved)
    def show_keys(self) -> None:
        """Offer what can be done with the backend that the cursor is on now."""
        self._choose()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done with the backend under the cursor."""
        node = self.node if self.is_mounted else None
        if action == "end_run":
            return node is not None and node.part is Part.RUN
        if action == "terminate":
            return node is not None and node.backend is not None and node.part is not Part.RUN
        return action != "cancel" or (node is not None and node.backend is not None)

    @on(ItemLines.Chosen)
    def read(self) -> None:
        """Show everything that is known of the backend."""
        node, observation = self.node, self._model.observation
        if node is not None and observation is not None:
            self._prompts.read(f"backend {node.pid}", page.node_text(node, observation.now))

    def action_cancel(self) -> None:
        """Ask whether the statement of the backend is to be cancelled."""
        node = self.node
        if node is None or node.backend is None:
            return
        if node.part is Part.RUN:
            self._cancel_run()
        else:
            self._backends.cancel_other(node.backend, _role(node))

    def action_terminate(self) -> None:
        """Ask whether the backend is to be terminated; it is never the run's."""
        node = self.node
        if node is not None and node.backend is not None and node.part is not Part.RUN:
            self._backends.terminate_other(node.backend, _role(node))

    def action_end_run(self) -> None:
        """Ask whether the backend that runs the migration is to be terminated."""
        self._backends.end_run()

    def action_leave(self) -> None:
        """Go back to the main screen."""
        self.dismiss(None)


def _role(node: WaitNode) -> str:
    return "blocks the run" if node.part is Part.BLOCKER else "waits for the run"
