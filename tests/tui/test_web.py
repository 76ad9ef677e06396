"""The console in a browser: quick, without the internet, and for nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.shop import Shop

pytestmark = pytest.mark.slow

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")

_SERVE = """
import sys
from pathlib import Path
from zmig.invocation import Invocation
from zmig_tui.web import serve
sys.exit(serve(Path(sys.argv[1]), database_url=None, invocation=Invocation(sys.argv[1])))
"""


@contextlib.contextmanager
def _served(manifest: Path) -> Generator[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(manifest)], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stderr is not None
    try:
        found = re.search(r"http\S+", process.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stderr.close()


async def _statuses(url: str, *headers: dict[str, str]) -> list[int]:
    async with aiohttp.ClientSession() as session:
        result: list[int] = []
        for one in headers:
            async with session.get(url, headers=one) as answer:
                result.append(answer.status)
        return result


def test_only_its_own_page_opened_with_the_secret_gets_in(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    with _served(shop.path) as url:
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1"
        stranger = f"{parts.scheme}://{parts.netloc}"
        assert asyncio.run(_statuses(stranger + "/", {})) == [403]
        assert asyncio.run(_statuses(stranger + "/ws", {})) == [403]
        assert asyncio.run(_statuses(stranger + "/static/js/textual.js", {})) == [403]
        from_elsewhere = [{"Origin": "https://example.org"}, {"Host": "example.org"}, {"Origin": "null"}]
        assert asyncio.run(_statuses(url, {}, *from_elsewhere)) == [200, 403, 403, 403]


def test_a_browser_shows_it_within_three_seconds_and_asks_nobody_else(shop: Shop, tmp_path: Path) -> None:
    from tests.support import browser

    if browser.EXECUTABLE is None:
        pytest.skip("there is no Chromium here")
    shop.add(1, "one", "select 1;")

    async def look(url: str) -> tuple[float, list[str], object]:
        async with browser.page(tmp_path / "profile") as tab, asyncio.timeout(60):
            await tab.call("Network.enable")
            began = time.monotonic()
            await tab.call("Page.navigate", url=url)
            while b"pending" not in tab.received:
                tab.changed.clear()
                await tab.changed.wait()
            seconds = time.monotonic() - began
            assert await tab.evaluate("document.body.classList.contains('-first-byte')") is True
            font = await tab.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \"Roboto Mono\"'))")
            return seconds, tab.requests, font

    with _served(shop.path) as url:
        seconds, requests, font = asyncio.run(look(url))
        for _ in range(4):
            # A browser that starts on a busy machine is slow by itself; a page that waits for a font is so each time.
            if seconds >= 3:
                seconds, requests, font = asyncio.run(look(url))
    assert font is True
    assert {urlsplit(request).hostname for request in requests if not request.startswith("data:")} == {"127.0.0.1"}
    assert seconds < 3
