"""A headless Chromium, driven through its DevTools, that reports every request it makes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
from typing import TYPE_CHECKING, cast

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

Event = dict[str, object]

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Event]] = {}
        self.requests: list[str] = []
        self.received = b""
        """Everything that came in over web sockets."""
        self.questions: list[str] = []
        """The kinds of dialogs that the browser opened, such as `beforeunload`."""
        self.violations: list[str] = []
        """What the page's own policy did not let it do."""
        self.changed = asyncio.Event()

    async def listen(self) -> None:
        async for message in self._socket:
            event = cast("Event", message.json())
            number = event.get("id")
            if isinstance(number, int):
                self._answers.pop(number).set_result(cast("Event", event.get("result", {})))
            else:
                self._note(str(event["method"]), cast("dict[str, Event]", event["params"]))
            self.changed.set()

    def _note(self, method: str, parameters: dict[str, Event]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(str(parameters["request"]["url"]))
        elif method == "Page.javascriptDialogOpening":
            self.questions.append(str(parameters["type"]))
        elif method == "Log.entryAdded" and "Content Security Policy" in str(parameters["entry"]["text"]):
            self.violations.append(str(parameters["entry"]["text"]))
        elif method == "Network.webSocketCreated":
            self.requests.append(str(parameters["url"]))
        elif method == "Network.webSocketFrameReceived":
            data = str(parameters["response"]["payloadData"])
            is_binary = parameters["response"]["opcode"] == 2
            self.received += base64.b64decode(data) if is_binary else data.encode()

    async def call(self, method: str, **parameters: object) -> Event:
        return await (await self.begin(method, **parameters))

    async def begin(self, method: str, **parameters: object) -> asyncio.Future[Event]:
        """Call without waiting for the answer, which may need another call first."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return answer

    async def press(self, key: str) -> None:
        """Press a key that writes a character, as a person who is in the page."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def evaluate(self, expression: str) -> object:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return cast("Event", answer["result"]).get("value")


@contextlib.asynccontextmanager
async def page(profile: Path) -> AsyncGenerator[Page]:
    """Open a browser with one tab."""
    assert EXECUTABLE is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
    process = await asyncio.create_subprocess_exec(
        EXECUTABLE,
        *options,
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            line = b""
            while b"DevTools listening on" not in line:
                line = await process.stderr.readline()
        port = line.decode().split("ws://127.0.0.1:")[1].split("/")[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                targets = cast("list[dict[str, str]]", await answer.json())
            url = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Page(socket)
                listening = asyncio.create_task(tab.listen())
                for domain in ("Network", "Page", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
                listening.cancel()
    finally:
        process.terminate()
        await process.wait()
