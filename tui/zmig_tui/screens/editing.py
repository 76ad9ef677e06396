"""Opens files in the user's editor, which has the terminal meanwhile."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from zmig_tui.models.editors import editor_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from textual.app import App

    from zmig_tui.models.rows import Row
    from zmig_tui.screens.prompts import Prompts


class FileEditor:
    """Opens a migration's file at a line, and says what came of it."""

    def __init__(
        self, app: App[int], prompts: Prompts, environ: Mapping[str, str], *, refresh: Callable[[], None]
    ) -> None:
        """`refresh` has everything observed again, which also says how to go on with a file that has changed."""
        self._app = app
        self._prompts = prompts
        self._environ = environ
        self._refresh = refresh

    @property
    def why_not(self) -> str | None:
        """Return why no editor can be opened here; None where one can."""
        driver = self._app._driver  # pyright: ignore[reportPrivateUsage] - an app says nothing of it otherwise
        if driver is None or driver.is_web:
            return "an editor needs a terminal, and this console is in a browser"
        return None if driver.can_suspend else "an editor needs a terminal, and this console has none"

    def edit(self, row: Row, file: Path | None, line: int | None, *, is_rollback: bool) -> None:
        """Open a file of a migration; `line` is 1-based."""
        if file is None:
            what = "no rollback file" if is_rollback else "no file"
            self._prompts.notify(f"{row.name} has {what}", is_warning=True)
            return
        command = editor_command(str(file), line, self._environ, self._find)
        if command.problem is not None:
            self._prompts.notify(command.problem, is_warning=True)
            return
        before = _digest(file)
        problem = self._run(command.words)
        self._refresh()
        if problem is not None:
            self._prompts.notify(problem, is_warning=True)
        elif _digest(file) == before:
            self._prompts.notify(f"{file.name} is as it was")
        elif is_rollback:
            self._prompts.notify(f"file changed: {file.name}")

    def _find(self, program: str) -> str | None:
        return shutil.which(program, path=self._environ.get("PATH"))

    def _run(self, words: Sequence[str]) -> str | None:
        """Run the editor; return what went wrong."""
        try:
            with self._app.suspend():
                code = _run_on_the_terminal(words, self._environ)
        except SuspendNotSupported:
            return "an editor needs a terminal, and this console has none"
        except OSError as error:
            return f"the editor {words[0]} did not start: {error.strerror or error}"
        if code == 0:
            return None
        how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
        return f"the editor {words[0]} ended {how}"


def _run_on_the_terminal(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a program that has the terminal, and return its exit code.

    ctrl+c, which the terminal sends to both, is the program's alone. What ends the console ends the program first.
    """
    missed: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def take(number: int, _frame: object) -> None:
        missed.append(number)
        if number != signal.SIGINT and process is not None:
            process.terminate()

    before = {number: signal.signal(number, take) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # The event loop hears of every signal by this, and would take ctrl+c for its own once it goes on.
    wakeup = signal.set_wakeup_fd(-1)
    try:
        process = subprocess.Popen(words, env=dict(environ))
        return process.wait()
    finally:
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in missed:
            if number != signal.SIGINT:
                os.kill(os.getpid(), number)


def _digest(file: Path) -> bytes | None:
    """Return what distinguishes one content of a file from another; None where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None
