"""A TCP proxy in front of a PostgreSQL socket that delays every message and counts round trips.

A round trip is a change of direction: the client sends after the server has answered.
"""

from __future__ import annotations

import contextlib
import heapq
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


@dataclass(slots=True)
class _Pipe:
    source: socket.socket
    sink: socket.socket
    from_client: bool


@dataclass(order=True, slots=True)
class _Delivery:
    due: float
    order: int
    pipe: _Pipe = field(compare=False)
    data: bytes = field(compare=False)


class Proxy:
    """Listens on a free loopback port and forwards to a UNIX socket, half the round-trip time late each way."""

    def __init__(self, target: Path, *, round_trip_seconds: float = 0.0) -> None:
        self._target = target
        self._delay = round_trip_seconds / 2
        self.round_trips = 0
        """How often the client spoke after the server had spoken."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as closing:
            selector.register(self._listener, selectors.EVENT_READ)
            queue: list[_Delivery] = []
            order, last_from_client = 0, False
            while not self._stopping.is_set():
                pause = min(0.05, max(0.0, queue[0].due - time.monotonic())) if queue else 0.05
                for key, _ in selector.select(pause):
                    pipe: _Pipe | None = key.data
                    if pipe is None:
                        self._accept(selector, closing)
                        continue
                    with contextlib.suppress(OSError):
                        data = pipe.source.recv(1 << 18)
                        order += 1
                        if pipe.from_client and not last_from_client and data:
                            self.round_trips += 1
                        last_from_client = pipe.from_client
                        heapq.heappush(queue, _Delivery(time.monotonic() + self._delay, order, pipe, data))
                        if not data:
                            selector.unregister(pipe.source)
                _deliver(queue)

    def _accept(self, selector: selectors.BaseSelector, closing: contextlib.ExitStack) -> None:
        client, _ = self._listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        closing.callback(client.close)
        closing.callback(server.close)
        selector.register(client, selectors.EVENT_READ, _Pipe(client, server, from_client=True))
        selector.register(server, selectors.EVENT_READ, _Pipe(server, client, from_client=False))


def _deliver(queue: list[_Delivery]) -> None:
    while queue and queue[0].due <= time.monotonic():
        delivery = heapq.heappop(queue)
        with contextlib.suppress(OSError):
            if delivery.data:
                delivery.pipe.sink.sendall(delivery.data)
            else:
                delivery.pipe.sink.shutdown(socket.SHUT_WR)
