"""Starts the process of one page of `zmig tui --web`, which outlives the page for as long as its run is in progress."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from typing import IO, TYPE_CHECKING, cast

from textual_serve.app_service import AppService

from zmig.valueclass import valueclass

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Sequence

    from textual_serve.download_manager import DownloadManager

_DRIVER = "zmig_tui.web.driver:PageDriver"


@valueclass
class _Streams:
    """The streams that textual-serve expects of a process."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader


class PageProcess(AppService):
    """A process of the console, with its streams connected to a page."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
        download_manager: DownloadManager,
    ) -> None:
        async def end() -> None:
            await close()

        super().__init__("", write_bytes=write_bytes, write_str=write_str, close=end, download_manager=download_manager)
        self._words = words
        self._popen: subprocess.Popen[bytes] | None = None
        self._has_page = True
        self.is_running = False
        """Whether a run is in progress in it."""

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._popen.pid if self._popen is not None else None

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        """Return textual-serve's environment for the process, with the driver that outlives its page."""
        return super()._build_environment(width, height) | {"TEXTUAL_DRIVER": _DRIVER}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start the console.

        It has a session of its own: ctrl+c in the server's terminal must not end a run. And it is no child of asyncio,
        which kills its children when it ends.
        """
        self._popen = popen = subprocess.Popen(
            self._words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        stdin, stdout, stderr = popen.stdin, popen.stdout, popen.stderr
        assert stdin is not None
        assert stdout is not None
        assert stderr is not None
        streams = _Streams(await _writer(stdin), await _reader(stdout), await _reader(stderr))
        self._stdin = streams.stdin
        self._process = cast("Process", streams)
        return self._process

    async def on_data(self, payload: bytes) -> None:
        """Draw, for as long as there is a page."""
        if self._has_page:
            with contextlib.suppress(ConnectionError):
                await super().on_data(payload)

    async def on_meta(self, data: bytes) -> None:
        """Handle a message of the console; that a run begins or ends, and the title, are passed on to the page."""
        message: dict[str, object] = json.loads(data)
        if message["type"] == "run":
            self.is_running = bool(message["value"])
            await self._say("run", self.is_running)
        elif message["type"] == "title":
            await self._say("title", [message["text"], message["mood"]])
        else:
            await super().on_meta(data)

    async def _say(self, word: str, value: object) -> None:
        if self._has_page:
            with contextlib.suppress(ConnectionError):
                await self.remote_write_str(json.dumps([word, value]))

    async def leave(self, ended: Callable[[PageProcess], None]) -> None:
        """Send the console that its page is gone, and do not wait for its end: a run may be in progress for hours.

        `ended` is called when it has ended.
        """
        self._has_page = False
        task, self._task = self._task, None
        if task is None:
            ended(self)
            return
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        task.add_done_callback(lambda _: self._reap(ended))
        await self.send_meta({"type": "quit"})

    def _reap(self, ended: Callable[[PageProcess], None]) -> None:
        ended(self)
        if self._popen is not None:
            self._popen.poll()


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)
