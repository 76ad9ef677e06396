"""Who tells a person about a run: a live display on a terminal, elsewhere lines, or nobody."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from zmig.cli.output import Output
    from zmig.progress import Observer


@contextmanager
def narrating(output: Output) -> Generator[Observer]:
    """Give an observer that narrates for as long as the block lasts."""
    if output.is_json:
        from zmig.cli.jsonlines import JsonLines

        yield JsonLines(output)
    elif output.is_live:
        from zmig.cli.live import Live

        with Live(output) as live:
            yield live
    else:
        from zmig.cli.lines import Lines

        yield Lines(output)
