"""Who waits for whom: a line in the run's panel, and a page whose keys act on the backend under the cursor."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from zmig_tui.screens.dialogs import ConfirmDialog, TextDialog
from zmig_tui.screens.wait_tree import WaitTreeScreen

from tests.support import backends
from tests.support.console import console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.console import Console
    from tests.support.shop import Shop


class Street:
    """A table that somebody reads in an open transaction, and sessions that wait for it after the run."""

    def __init__(self, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]) -> None:
        self._connection = connection
        self._connect = connect
        self._threads: list[threading.Thread] = []
        self.reader = self._session("report")
        connection.execute("create table orders (id int)")
        self.reader.execute("select from orders")

    def _session(self, name: str) -> psycopg.Connection:
        session = self._connect(autocommit=False)
        session.execute(f"set application_name = '{name}'".encode())
        session.commit()
        return session

    def queue(self, name: str, query: str = "select from orders") -> int:
        """Have one more session wait; return its process id."""
        session = self._session(name)
        pid = session.info.backend_pid

        def wait() -> None:
            with contextlib.suppress(psycopg.Error):
                session.execute(query.encode())
            with contextlib.suppress(psycopg.Error):
                session.commit()

        thread = threading.Thread(target=wait)
        thread.start()
        self._threads.append(thread)
        backends.wait_until(self._connection, f"pg_blocking_pids({pid}) <> '{{}}'")
        return pid

    def clear(self) -> None:
        """Let everybody go on."""
        self.reader.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def street(shop: Shop, connection: psycopg.Connection, connect: Callable[..., psycopg.Connection]) -> Iterator[Street]:
    street = Street(connection, connect)
    shop.add(1, "one", "alter table orders add column note text;", lock_timeout="10min")
    yield street
    street.clear()


def _page(zmig: Console) -> str:
    assert isinstance(zmig.top, WaitTreeScreen)
    return "\n".join(zmig.top.list.texts)


async def _until_page(zmig: Console, holds: Callable[[str], bool]) -> None:
    await zmig.until(lambda: isinstance(zmig.top, WaitTreeScreen) and holds(_page(zmig)))


async def _go_to(zmig: Console, pid: int) -> None:
    """Move the cursor to a backend, with keys."""
    assert isinstance(zmig.top, WaitTreeScreen)
    await zmig.press("home")
    while zmig.top.node is None or zmig.top.node.pid != pid:
        before = zmig.top.list.index
        await zmig.press("down")
        assert zmig.top.list.index == before + 1, _page(zmig)


async def test_the_panel_says_how_many_wait_and_the_page_who_does(shop: Shop, street: Street) -> None:
    async with console(shop.path) as zmig:
        await zmig.press("w")
        assert zmig.top is zmig.main
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "blocked by 1 for ")
        first, _ = street.queue("web-app"), street.queue("web-app", "select orders from orders")
        third = street.queue("psql", "set passwords.secret = 'hunter2'; select from orders")
        await zmig.until_text("#panel", "holds up 3: web-app (2), psql")
        assert "waits for ACCESS EXCLUSIVE on table orders" in zmig.texts("#panel")

        await zmig.press("w")
        await _until_page(zmig, lambda page: str(third) in page)
        page = _page(zmig)
        titles = [text.strip() for text in page.splitlines() if text.startswith(" ") and not text.startswith("  ")]
        assert titles == ["blocks the run", "the run", "waits for the run"]
        assert "holds ACCESS SHARE on table orders" in page
        assert "alter table orders add column note text" in page
        assert "for ACCESS SHARE on table orders" in page
        assert "the run gives up in 9:" in zmig.screen_text
        assert "hunter2" not in page

        # A statement that waits for the run is cancelled: it is gone, and the run goes on waiting.
        await _go_to(zmig, first)
        await zmig.question("c")
        assert f"cancel the statement of backend {first}, which waits for the run" in zmig.dialog()
        await zmig.press("enter")
        await _until_page(zmig, lambda page: str(first) not in page)

        # Its whole query, without secrets; and it is terminated.
        await _go_to(zmig, third)
        text = await zmig.reading("enter")
        assert "select from orders" in text
        assert "hunter2" not in text
        await zmig.press("escape")
        await zmig.agree_to("K")
        await _until_page(zmig, lambda page: str(third) not in page)
        assert zmig.app.controller.is_running
        street.reader.rollback()
        await zmig.until(lambda: "nobody waits for a lock now" in zmig.screen_text)
        await zmig.press("escape")
        await zmig.until_states(one="done")


async def test_keys_of_the_page_are_those_of_the_backend_under_the_cursor(shop: Shop, street: Street) -> None:
    blocker = street.reader.info.backend_pid
    async with console(shop.path) as zmig:
        await zmig.agree_to("a")
        await zmig.until_text("#panel", "blocked by 1")
        await zmig.open(WaitTreeScreen, "w")

        # The run itself is not terminated by K; its own keys are there.
        await _go_to(zmig, blocker)
        assert "K Terminate it" in zmig.screen_text
        await zmig.press("down")
        await zmig.until(lambda: "C End the run" in zmig.screen_text)
        assert "K Terminate it" not in zmig.screen_text
        await zmig.press("K")
        assert isinstance(zmig.top, WaitTreeScreen)
        await zmig.question("c")
        assert "cancel this run" in zmig.dialog()
        await zmig.press("escape")
        await zmig.question("C")
        assert "which runs `one`" in zmig.dialog()
        await zmig.press("escape")

        # The blocker is idle: the question about its statement says that this changes nothing; K ends it.
        await _go_to(zmig, blocker)
        await zmig.question("c")
        assert "cancelling changes nothing" in zmig.dialog()
        await zmig.press("escape")
        await zmig.question("K")
        assert f"terminate backend {blocker}, which blocks the run" in zmig.dialog()
        await zmig.press("enter")
        await zmig.until(lambda: "nobody waits for a lock now" in zmig.screen_text)
        await zmig.press("escape")
        await zmig.until_states(one="done")


async def test_in_production_the_name_is_typed_and_a_click_chooses(shop: Shop, street: Street) -> None:
    shop.environment = "production"
    shop.declare()
    async with console(shop.path, size=(80, 24)) as zmig:
        await zmig.question("a")
        await zmig.press("y")
        waiting = [street.queue(f"app {number}") for number in range(12)] if await _blocked(zmig) else []
        await zmig.open(WaitTreeScreen, "w")
        await _until_page(zmig, lambda page: str(waiting[-1]) in page)
        assert isinstance(zmig.top, WaitTreeScreen)
        await zmig.press("end")
        assert zmig.top.node is not None
        assert zmig.top.node.pid == waiting[-1]
        assert str(waiting[-1]) in zmig.screen_text
        await zmig.press("pageup", "home")
        line = next(at for at, text in enumerate(zmig.top.list.texts) if str(waiting[0]) in text)
        await zmig.pilot.click("#waits", offset=(20, line))
        assert zmig.top.node.pid == waiting[0]
        await zmig.question("K")
        assert "type " in zmig.screen_text
        await zmig.press("enter")
        assert isinstance(zmig.top, ConfirmDialog)
        await zmig.press("escape")
        await zmig.pilot.click("#waits", offset=(20, line), times=2)
        assert isinstance(zmig.top, TextDialog)
        await zmig.press("escape")
        await zmig.question("K")
        await zmig.type(zmig.main.model.observation.status.database if zmig.main.model.observation else "")
        await zmig.press("enter")
        await _until_page(zmig, lambda page: str(waiting[0]) not in page)
        street.reader.rollback()
        await zmig.until(lambda: not zmig.app.controller.is_running)


async def _blocked(zmig: Console) -> bool:
    await zmig.until_text("#panel", "blocked by 1")
    return True
