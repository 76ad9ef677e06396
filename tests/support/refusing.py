"""A server that speaks just enough of PostgreSQL's protocol to turn everybody away."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_SSL_REQUEST = 80877103
_PATIENCE_SECONDS = 120.0


class RefusingServer:
    """Listens on a port of its own, and answers every session with one FATAL error; without one, with silence."""

    def __init__(self, sqlstate: str = "", message: str = "") -> None:
        self._error = _error(sqlstate, message) if message else b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sessions: list[socket.socket] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve)

    def url(self, **parameters: str) -> str:
        """Return a connection string that leads here."""
        more = "&".join(f"{name}={value}" for name, value in {"gssencmode": "disable", **parameters}.items())
        return f"postgresql://app@127.0.0.1:{self._listener.getsockname()[1]}/shop?{more}"

    def wait_for_sessions(self, number: int) -> None:
        """Wait until this many sessions were begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._sessions) >= number, _PATIENCE_SECONDS), "nobody came"

    def _serve(self) -> None:
        while True:
            try:
                session, _ = self._listener.accept()
            except OSError:  # the block has ended
                return
            with self._changed:
                self._sessions.append(session)
                self._changed.notify_all()
            with contextlib.suppress(ConnectionError), session.makefile("rb") as received:
                while self._answer(session, received.read(8)):
                    pass
            if self._error:
                session.close()

    def _answer(self, session: socket.socket, begin: bytes) -> bool:
        """Answer a session's first message, and return whether it may send another: there is no SSL here."""
        if len(begin) < 8 or not self._error:
            return False
        asks_for_ssl = struct.unpack("!ii", begin)[1] == _SSL_REQUEST
        session.sendall(b"N" if asks_for_ssl else self._error)
        return asks_for_ssl

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._sessions):
            one.close()
        self._thread.join()


def _error(sqlstate: str, message: str) -> bytes:
    fields = "".join(
        f"{key}{value}\0" for key, value in (("S", "FATAL"), ("V", "FATAL"), ("C", sqlstate), ("M", message))
    )
    body = fields.encode() + b"\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body
