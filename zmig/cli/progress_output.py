"""What shows a run to a person: a live display on a terminal, elsewhere lines or JSON."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from zmig.cli.output import Output
    from zmig.progress import Observer, Progress


class ProgressOutput:
    """An observer that narrates for as long as its block lasts; nothing is set up for a run that says nothing."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._narrator: Observer | None = None
        self._ended = ExitStack()

    def __enter__(self) -> Self:
        """Say nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take away what was drawn and is not to stay."""
        self._ended.close()

    def __call__(self, progress: Progress) -> None:
        """Print what a progress says."""
        if self._narrator is None:
            self._narrator = self._chosen()
        self._narrator(progress)

    def _chosen(self) -> Observer:
        self._output.unblock()
        if self._output.is_json:
            from zmig.cli.json_lines import JsonLines

            return JsonLines(self._output)
        if self._output.is_live:
            from zmig.cli.live import Live

            return self._ended.enter_context(Live(self._output))
        from zmig.cli.lines import Lines

        return Lines(self._output)
