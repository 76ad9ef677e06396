"""zmig in processes of its own, as it is run by people: started, watched, signalled, killed."""

from __future__ import annotations

import codecs
import io
import os
import select
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Sequence
    from types import TracebackType

ROOT = Path(__file__).parent.parent.parent
_PATIENCE_SECONDS = 120.0
_PIECE = 1 << 16
_MOST_IN_A_PIPE = 1 << 20
_MOST_IN_A_NOTE = 4000


def note(error: BaseException | None, name: str, code: int | None, **said: str) -> None:
    """Add to a test's failure what a process has said, and whether it had ended by then."""
    if error is not None:
        how = "still ran" if code is None else f"had ended with code {code}"
        parts = (f"; its {place}:\n{text[-_MOST_IN_A_NOTE:]}" for place, text in said.items() if text)
        error.add_note(f"`{name}` {how}{''.join(parts)}")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; a negative code is the signal that killed it."""

    code: int
    stdout: str
    stderr: str


class Process:
    """A running `zmig`, or another Python program; killed when the block ends, if it still runs then."""

    def __init__(
        self,
        *arguments: str | Path,
        environ: dict[str, str] | None = None,
        cwd: Path | None = None,
        program: Sequence[str] = ("-m", "zmig"),
    ) -> None:
        self._name = " ".join(("python", *program, *map(str, arguments)))
        self._popen = subprocess.Popen(
            [sys.executable, *program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tui"))), **(environ or {})},
            cwd=cwd,
        )
        self._changed = threading.Condition()
        self._heard: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._over, self._end = os.pipe()
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._heard]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        rest = ""
        for octets in self._octets(getattr(self._popen, name).fileno()):
            *lines, rest = (rest + decoder.decode(octets)).split("\n")
            with self._changed:
                self._heard[name] += [line + "\n" for line in lines]
                self._changed.notify_all()
        with self._changed:
            self._heard[name].append(rest + decoder.decode(b"", final=True))
            self._changed.notify_all()

    def _octets(self, descriptor: int) -> Iterator[bytes]:
        """Yield what is said until nobody can say more; what is there already where the block has ended.

        A process that outlives this one may keep the pipe for as long as it lives.
        """
        left = _MOST_IN_A_PIPE
        while left > 0:
            ready = select.select([descriptor, self._over], [], [])[0]
            octets = os.read(descriptor, _PIECE) if descriptor in ready else b""
            if not octets:
                return
            yield octets
            left -= len(octets) if self._over in ready else 0

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    @property
    def stderr(self) -> str:
        """What it said so far."""
        with self._changed:
            return "".join(self._heard["stderr"])

    @property
    def stdout(self) -> str:
        """What it wrote so far."""
        with self._changed:
            return "".join(self._heard["stdout"])

    def wait_for(self, text: str) -> None:
        """Wait until it has said `text` on stderr."""
        with self._changed:
            said = self._changed.wait_for(
                lambda: text in "".join(self._heard["stderr"]) or not self._readers[1].is_alive(), _PATIENCE_SECONDS
            )
            assert said, f"never said {text!r}:\n{''.join(self._heard['stderr'])}"
            assert text in "".join(self._heard["stderr"]), f"ended before {text!r}:\n{''.join(self._heard['stderr'])}"

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def kill(self) -> Ended:
        """Kill it with SIGKILL."""
        self._popen.kill()
        return self.wait()

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> Ended:
        """Wait for its end."""
        code = self._popen.wait(seconds)
        for reader in self._readers:
            reader.join(_PATIENCE_SECONDS)
        return Ended(code, "".join(self._heard["stdout"]), "".join(self._heard["stderr"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self._popen.poll()
        if code is None:
            self._popen.kill()
        self._popen.wait()
        os.write(self._end, b".")
        for reader in self._readers:
            reader.join()
        note(error, self._name, code, stdout=self.stdout, stderr=self.stderr)
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self._over)
        os.close(self._end)


def run(*arguments: str | Path, environ: dict[str, str] | None = None, cwd: Path | None = None) -> Ended:
    """Run zmig to its end."""
    with Process(*arguments, environ=environ, cwd=cwd) as process:
        return process.wait()
