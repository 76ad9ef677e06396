"""The console in a browser: without the internet, for nobody else, and without a run that ends with its page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.support import backends, browser, run_processes
from tests.support.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import psycopg

    from tests.support.browser import Page
    from tests.support.shop import Shop

pytestmark = pytest.mark.slow

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")

needs_browser = pytest.mark.skipif(browser.EXECUTABLE is None, reason="there is no Chromium here")

_SERVE = """
import sys
from pathlib import Path
from tests.support.ports import reserved_port
from zmig.presentation.hints import CommandLine
from zmig_tui.target import Target
from zmig_tui.web.serve import serve
with reserved_port() as port:  # tests beside this one would try the same first port
    targets = [Target(Path(one), None, CommandLine(one), {}) for one in sys.argv[1:]]
    sys.exit(serve(targets, hints=targets[0].hints, port=port))
"""
_PATIENCE_SECONDS = 120


class Served:
    """A `zmig tui --web` in a process of its own."""

    def __init__(self, *manifests: Path) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *map(str, manifests)],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stderr is not None
        found = re.search(r"http\S+", self._process.stderr.readline())
        assert found is not None
        self.url = found[0]
        self.port = urlsplit(self.url).port

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def end(self) -> str:
        """End it as ctrl+c does; return what else it said."""
        assert self._process.stderr is not None
        self._process.send_signal(signal.SIGINT)
        said = self._process.stderr.read()
        self._process.wait(_PATIENCE_SECONDS)
        self._process.stderr.close()
        return said


@contextlib.contextmanager
def _served(*manifests: Path) -> Generator[Served]:
    served = Served(*manifests)
    try:
        yield served
    finally:
        if served.is_running:
            served.end()


async def _statuses(url: str, *headers: dict[str, str]) -> list[int]:
    async with aiohttp.ClientSession() as session:
        result: list[int] = []
        for one in headers:
            async with session.get(url, headers=one) as answer:
                result.append(answer.status)
        return result


def test_only_its_own_page_opened_with_the_secret_gets_in(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")
    with _served(shop.path) as served:
        url, parts = served.url, urlsplit(served.url)
        assert parts.hostname == "127.0.0.1"
        stranger = f"{parts.scheme}://{parts.netloc}"
        assert asyncio.run(_statuses(stranger + "/", {})) == [403]
        assert asyncio.run(_statuses(stranger + "/ws", {})) == [403]
        assert asyncio.run(_statuses(stranger + "/static/js/textual.js", {})) == [403]
        from_elsewhere = [{"Origin": "https://example.org"}, {"Host": "example.org"}, {"Origin": "null"}]
        assert asyncio.run(_statuses(url, {}, *from_elsewhere)) == [200, 403, 403, 403]
        odd = [{"Cookie": "zmig_console=é"}, {"Cookie": f"zmig_console_{parts.port}=é"}]
        assert asyncio.run(_statuses(stranger + "/", *odd)) == [403, 403]
        assert asyncio.run(_statuses(stranger + "/?token=%ff%fe", {})) == [403]


def test_the_printed_address_works_whatever_cookies_are_there(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")

    async def opened(url: str, cookie: str = "") -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers={"Cookie": cookie} if cookie else {}) as answer,
        ):
            return answer.status, answer.headers.get("Set-Cookie", "")

    with _served(shop.path) as first:
        status, cookie = asyncio.run(opened(first.url))
        assert status == 200
        name, _, value = cookie.split(";")[0].partition("=")
        token = first.url.partition("token=")[2]
        assert name == f"zmig_console_{first.port}"
        assert token not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        bare = first.url.partition("?")[0]
        assert asyncio.run(opened(bare, f"{name}={value}"))[0] == 200
        assert asyncio.run(opened(bare, f"{name}={token}"))[0] == 403
        with _served(shop.path) as second:
            # As if the first one had served on the port of the second before.
            stale, (address, _, _) = f"zmig_console_{second.port}={value}", second.url.partition("?")
            assert asyncio.run(opened(second.url, stale))[0] == 200
            assert asyncio.run(opened(address, stale))[0] == 403
            assert asyncio.run(opened(f"{address}?token={token}"))[0] == 403


def test_no_answer_may_be_kept_framed_or_told_of(shop: Shop) -> None:
    shop.add(1, "one", "select 1;")

    async def headers(url: str) -> dict[str, str]:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return dict(answer.headers)

    with _served(shop.path) as served:
        page = asyncio.run(headers(served.url))
        file = asyncio.run(headers(served.url.replace("/?", "/static/js/textual.js?")))
        stranger = asyncio.run(headers(served.url.partition("?")[0]))
    for found in (page, file, stranger):
        assert found["Cache-Control"] == "no-store"
        assert found["Referrer-Policy"] == "no-referrer"
        assert found["X-Frame-Options"] == "DENY"
        policy = found["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in scripts


async def _until(tab: Page, is_reached: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not is_reached():
                tab.changed.clear()
                await tab.changed.wait()
    except TimeoutError:
        raise AssertionError(f"it never came; there is:\n{_text(tab)}\n{tab.violations}") from None


@needs_browser
def test_a_browser_shows_it_without_asking_anybody_else_and_forgets_the_secret(shop: Shop, tmp_path: Path) -> None:
    shop.add(1, "one", "select 1;")

    async def script(url: str) -> None:
        async with browser.page(tmp_path / "profile") as tab:
            seen = "addEventListener('DOMContentLoaded', () => { window.seen = document.body.innerText; });"
            await tab.call("Page.addScriptToEvaluateOnNewDocument", source=seen)
            await tab.call("Page.navigate", url=url)
            await _until(tab, lambda: "1 pending" in _text(tab))
            assert "connecting …" in str(await tab.evaluate("window.seen"))
            # Keys go to the console without a click into the page.
            assert await tab.evaluate("document.activeElement.tagName") == "TEXTAREA"
            # The page waits for nothing else: it is shown as soon as the font is there, which its own server has.
            font = "document.fonts.ready.then(() => document.fonts.check('16px \"Roboto Mono\"'))"
            assert await tab.evaluate(font) is True
            assert await tab.evaluate("document.body.classList.contains('-first-byte')") is True
            assert await tab.evaluate("location.href") == url.partition("?")[0]
            assert await tab.evaluate("document.cookie") == ""
            hosts = {urlsplit(one).hostname for one in tab.requests if not one.startswith("data:")}
            assert hosts == {"127.0.0.1"}
            assert tab.violations == []
            await tab.press(":")
            await _until(
                tab,
                lambda: "databases   2" in _text(tab) and "broken.yaml" in _text(tab) and "✗ manifest" in _text(tab),
            )

    broken = shop.write("broken.yaml", "manifest: 1\n")
    with _served(shop.path, broken) as served:
        asyncio.run(script(served.url))


@needs_browser
def test_what_is_copied_is_in_the_browsers_clipboard_and_no_editor_is_opened(shop: Shop, tmp_path: Path) -> None:
    shop.add(1, "one", "select 1;")

    async def script(url: str) -> None:
        async with browser.page(tmp_path / "profile") as tab:
            await tab.call("Page.navigate", url=url)
            await _until(tab, lambda: "1 pending" in _text(tab))
            # As a person allows it who is asked.
            await tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            await tab.press("e")
            await _until(tab, lambda: "in a browser" in _text(tab))
            await tab.press("y")
            await _until(tab, lambda: "Which text?" in _text(tab))
            enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
            for kind in ("rawKeyDown", "char", "keyUp"):
                await tab.call("Input.dispatchKeyEvent", type=kind, text="\r", **enter)
            await _until(tab, lambda: "copied: the name" in _text(tab))
            while await tab.evaluate("navigator.clipboard.readText()") != "one":
                await asyncio.sleep(0.2)

    with _served(shop.path) as served:
        asyncio.run(script(served.url))


def _text(tab: Page) -> str:
    """Return what the terminal in the page shows."""
    screen = Screen(400, 120)
    screen.feed(tab.received)
    return screen.text


async def _run(tab: Page, url: str) -> None:
    """Open the page, and apply what is pending."""
    await tab.call("Page.navigate", url=url)
    # Not for the key in the footer: Textual leaves that as it is while the page has no focus.
    await _until(tab, lambda: "1 pending" in _text(tab))
    await tab.press("a")
    await _until(tab, lambda: "Yes, do it" in _text(tab))
    while "Yes, do it" in _text(tab):
        await tab.press("y")
        await asyncio.sleep(0.2)
    await _until(tab, lambda: "statement 1 of 1" in _text(tab))


@needs_browser
def test_a_run_goes_on_when_its_page_is_reloaded_and_closed_and_its_server_ended(
    shop: Shop, connection: psycopg.Connection, tmp_path: Path
) -> None:
    shop.add(1, "one", "select pg_advisory_lock(1);", lock_timeout="10min")
    connection.execute("select pg_advisory_lock(1)")

    async def script(served: Served) -> str:
        async with browser.page(tmp_path / "profile") as tab:
            await _run(tab, served.url)
            tab.received = b""
            await tab.begin("Page.reload")
            await _until(tab, lambda: tab.questions)
            assert tab.questions == ["beforeunload"]
            await tab.call("Page.handleJavaScriptDialog", accept=True)
            # It is attached: what was said before it was there is shown.
            await _until(tab, lambda: "1 of 1, line 1: select" in _text(tab))
            title = "new Promise(done => setInterval(() => document.title === '▶ shop one 0 of 1' && done(true), 50))"
            assert await tab.evaluate(title) is True
            icon = str(await tab.evaluate("document.getElementById('icon').href"))
            assert icon.startswith("data:image/svg+xml,")
            assert tab.violations == []
            assert "in another process" not in _text(tab)
            assert await tab.evaluate("location.search") == ""
            said = await asyncio.to_thread(served.end)
            closed = "new Promise(done => setInterval(() => document.title.includes('ended') && done(true), 50))"
            assert await tab.evaluate(closed) is True
            assert "its run goes on" in str(await tab.evaluate("document.body.innerText"))
            return said

    with _served(shop.path) as served:
        said = asyncio.run(script(served))
    assert "a run goes on" in said
    assert f"`zmig tui {shop.path}` attaches to it" in said
    backends.wait_for(connection, 1, "wait_event_type = 'Lock'")
    connection.execute("select pg_advisory_unlock(1)")
    result = run_processes.outcome(shop.path).result
    assert result is not None
    assert result.completed == ("one",)
    run_processes.wait_for_end(shop.path)
    assert [fact.type.label for fact in shop.migrator().history()[-2:]] == ["done", "observed"]
