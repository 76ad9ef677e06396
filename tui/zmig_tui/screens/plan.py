"""The plan's screen: its steps on the left, on the right the file of one with what its statements do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer

from zmig.presentation.spans import Line, Span, Tone
from zmig_tui.pages import plan_step
from zmig_tui.pages.plan_list import PlanList
from zmig_tui.text import span
from zmig_tui.widgets.banner import Banner
from zmig_tui.widgets.item_list import ItemList
from zmig_tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from zmig.planning.plan import Step
    from zmig.presentation.hints import HintStyle
    from zmig_tui.models.plan import PlanModel

KEYS = [
    Binding(
        "enter",
        "agree_by_enter",
        "Yes, do it",
        key_display="enter",
        tooltip="Run exactly this plan",
        id="plan.agree",
    ),
    Binding("y", "agree_by_y_alone", "Yes, do it", tooltip="Run exactly this plan, in production", id="plan.yes"),
    Binding("y", "agree_by_y", show=False),
    Binding(
        "R",
        "rehearse",
        "Rehearse",
        tooltip="Run it in one transaction that is rolled back, and measure each statement",
        id="plan.rehearse",
    ),
    Binding("c", "cancel_rehearsal", "Cancel", tooltip="End the rehearsal early", id="plan.cancel"),
    Binding("ctrl+r", "plan_anew", "Plan anew", tooltip="Plan again, as everything is now", id="plan.anew", show=False),
    Binding("n", "move(1)", "Next step", tooltip="Go to the next step", id="plan.next", show=False),
    Binding("N", "move(-1)", "Previous step", tooltip="Go to the previous step", id="plan.previous", show=False),
    Binding("1", "turn_to('plan')", "Steps", tooltip="Go to the steps", id="plan.steps", show=False),
    Binding("2", "turn_to('step')", "One step", tooltip="Go to the file of the step", id="plan.step", show=False),
    Binding("tab", "turn", "Other half", tooltip="Go to the other half of the screen", id="plan.turn"),
    Binding("question_mark", "help", "Keys", key_display="?", tooltip="List every key", id="plan.help"),
    Binding("escape,q", "leave", "Close", key_display="esc", tooltip="Leave the plan; nothing is run", id="plan.leave"),
]
"""The keys of this screen."""


class PlanKeys(Protocol):
    """What the keys of a plan's screen do."""

    @property
    def is_agreed_to_by_y(self) -> bool:
        """Whether enter does not agree."""
        ...

    @property
    def may_begin(self) -> bool:
        """Whether a run may begin now: none is in progress."""
        ...

    def agree(self) -> None:
        """Run the plan."""
        ...

    def rehearse(self) -> None:
        """Ask whether it is to be rehearsed."""
        ...

    def cancel_rehearsal(self) -> None:
        """End the rehearsal early."""
        ...

    def plan_anew(self) -> None:
        """Plan again."""
        ...

    def read_file(self, step: Step) -> None:
        """Read the file of a step."""
        ...

    def head(self, cells: int) -> list[Line]:
        """Return the heading."""
        ...

    def help(self) -> None:
        """List the keys."""
        ...

    def leave(self) -> None:
        """Close the screen."""
        ...


class PlanScreen(Screen[None]):
    """Shows a plan, from the moment it is asked for. No key agrees until it has been there for a moment."""

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, model: PlanModel, hints: HintStyle, keys: PlanKeys, *, reading_seconds: float) -> None:
        """`reading_seconds` is how long the plan is on the screen before a key may agree to it."""
        super().__init__()
        self.model = model
        self._hints = hints
        self._keys = keys
        self._reading_seconds = reading_seconds
        self._readings = 0
        """How often reading it has begun: what was begun earlier permits nothing."""
        self.may_be_agreed_to = False
        """Whether the plan has been on the screen for long enough."""

    def compose(self) -> ComposeResult:
        """Put the parts in their places."""
        yield Banner(id="plan-head")
        yield Banner(id="plan-tabs")
        with Horizontal(id="plan-body"):
            yield ItemList(id="plan-list")
            yield Lines(id="plan-page", wrap=False)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Say that it is being planned."""
        self.items.focus()
        self.draw()

    @property
    def items(self) -> ItemList:
        """The steps, and why they may not run."""
        return self.query_one("#plan-list", ItemList)

    @property
    def page(self) -> Lines:
        """The file of the step under the cursor."""
        return self.query_one("#plan-page", Lines)

    @property
    def step(self) -> Step | None:
        """The step under the cursor."""
        return self._listed.step_at(self.items.index)

    @property
    def _listed(self) -> PlanList:
        return PlanList(self.model, self._hints, self.items.cells)

    def draw(self) -> None:
        """Draw everything."""
        if not self.is_mounted:
            return
        self.draw_head()
        self.set_class(not (self.model.is_planning or self.model.steps), "-reasons")
        self.set_class(self.model.plan is not None and bool(self.model.plan.refusals), "-refused")
        self.items.show(self._listed)
        self._draw_page()
        self.refresh_bindings()

    def draw_head(self) -> None:
        """Draw what changes while nothing else does."""
        if self.is_mounted:
            self.query_one("#plan-head", Banner).show(self._keys.head(self.size.width))

    def _draw_page(self) -> None:
        self._draw_tabs()
        step, cells = self.step, max(self.page.scrollable_content_region.width, 1)
        if step is None:
            self.page.show([])
            return
        if step.migration.version not in self.model.files:
            self._keys.read_file(step)
        self.page.show(plan_step.step_lines(self.model, step, self._hints, cells))

    def _draw_tabs(self) -> None:
        is_step = self.has_class("-step")
        step = self.step
        name = step.migration.name if step is not None else "step"
        tabs: Line = (
            Span(" "),
            Span(" 1 steps ", Tone.QUIET if is_step else Tone.MARK),
            Span(" "),
            span(f" 2 {name} ", Tone.MARK if is_step else Tone.QUIET),
        )
        self.query_one("#plan-tabs", Banner).show([tabs])

    # When it may be agreed to

    def begin_reading(self) -> None:
        """Have the plan read for a moment before a key agrees to it: from when it is drawn, and on top."""
        self._readings += 1
        self.may_be_agreed_to = False
        self.refresh_bindings()
        self.call_after_refresh(self._start_reading_time, self._readings)

    def _start_reading_time(self, reading: int) -> None:
        if self._reading_seconds:
            self.set_timer(self._reading_seconds, lambda: self._allow(reading))
        else:
            self._allow(reading)

    def _allow(self, reading: int) -> None:
        if reading == self._readings and self.model.plan is not None:
            self.may_be_agreed_to = True
            self.refresh_bindings()

    def on_screen_resume(self) -> None:
        """Read it again after something else was on top."""
        self.begin_reading()
        self.draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done; keys that agree are pale until they do."""
        model = self.model
        if action.startswith("agree"):
            if (action == "agree_by_y_alone") != self._keys.is_agreed_to_by_y:
                return False
            if not (model.may_run and self._keys.may_begin) or model.is_rehearsing:
                return False
            return True if self.may_be_agreed_to else None
        match action:
            case "rehearse":
                return model.may_be_rehearsed and self._keys.may_begin and (self.may_be_agreed_to or None)
            case "cancel_rehearsal":
                return model.is_rehearsing
            case "plan_anew":
                return not (model.is_planning or model.is_rehearsing)
            case _:
                return True

    # Keys

    def action_agree_by_enter(self) -> None:
        """Agree."""
        self._keys.agree()

    def action_agree_by_y(self) -> None:
        """Agree."""
        self._keys.agree()

    def action_agree_by_y_alone(self) -> None:
        """Agree where enter does not."""
        self._keys.agree()

    def action_rehearse(self) -> None:
        """Ask whether the plan is to be rehearsed."""
        self._keys.rehearse()

    def action_cancel_rehearsal(self) -> None:
        """End the rehearsal early."""
        self._keys.cancel_rehearsal()

    def action_plan_anew(self) -> None:
        """Plan again, as everything is now."""
        self._keys.plan_anew()

    def action_help(self) -> None:
        """List every key."""
        self._keys.help()

    def action_move(self, by: int) -> None:
        """Go to another step."""
        self.items.action_move(by)

    def action_turn(self) -> None:
        """Go to the other half."""
        self.action_turn_to("plan" if self.focused is self.page else "step")

    def action_turn_to(self, half: str) -> None:
        """Show one half where there is room for one alone, and move the focus there."""
        self.set_class(half == "step", "-step")
        (self.page if half == "step" else self.items).focus()
        self.call_after_refresh(self._draw_page)

    def action_leave(self) -> None:
        """Go back to the steps, where they are hidden; else close the screen."""
        if self.has_class("-step") and self.has_class("-narrow"):
            self.action_turn_to("plan")
        else:
            self._keys.leave()

    @on(ItemList.Moved)
    def show_other(self) -> None:
        """Show the step under the cursor."""
        self.page.scroll_to(0, 0, animate=False)
        self._draw_page()

    @on(ItemList.Resized)
    def draw_wider(self) -> None:
        """Draw for another width."""
        self.draw()

    def on_resize(self) -> None:
        """Draw for another width."""
        self.call_after_refresh(self.draw)
