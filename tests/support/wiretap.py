"""A proxy in front of the server that counts round trips, and hears what clients say.

A round trip is over when the server says that it is ready again.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from types import TracebackType

_READY = b"Z"
_QUERY, _PARSE = b"Q", b"P"
_DEFAULT_PORT = "5432"


class Wiretap:
    """Listens on a free loopback port for as long as the block lasts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._parameters = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        self._closing = contextlib.ExitStack()
        self.round_trips = 0
        self.sessions: list[list[str]] = []
        """What each connection's client sent of SQL, one text for each message, in order."""

    @property
    def url(self) -> str:
        """The connection string that leads through it."""
        port = self._listener.getsockname()[1]
        return make_conninfo(self._url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")

    def __enter__(self) -> Self:
        self._listener = self._closing.enter_context(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._closing.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                for end in (client, server):
                    self._closing.callback(end.close)
                said: list[str] = []
                self.sessions.append(said)
                threading.Thread(target=_hear, args=(client, server, said), daemon=True).start()
                threading.Thread(target=self._listen, args=(server, client), daemon=True).start()

    def _connect(self) -> socket.socket:
        host, port = self._parameters.get("host", "localhost"), self._parameters.get("port", _DEFAULT_PORT)
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _listen(self, server: socket.socket, client: socket.socket) -> None:
        """Pass on what the server says, message by message: a type of one octet, a length of four."""
        held = b""
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                held += data
                while len(held) >= 5 and len(held) > (length := int.from_bytes(held[1:5], "big")):
                    self.round_trips += held[:1] == _READY
                    held = held[length + 1 :]
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)


def _hear(client: socket.socket, server: socket.socket, said: list[str]) -> None:
    """Pass on what the client says; its first message has a length and no type."""
    held, begin = b"", 0
    with contextlib.suppress(OSError):
        while data := client.recv(1 << 16):
            held += data
            while len(held) >= begin + 4 and len(held) >= begin + (
                length := int.from_bytes(held[begin : begin + 4], "big")
            ):
                said += _statement(held[:begin], held[begin + 4 : begin + length])
                held, begin = held[begin + length :], 1
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)


def _statement(kind: bytes, body: bytes) -> list[str]:
    if kind == _QUERY:
        return [body.rstrip(b"\0").decode(errors="replace")]
    return [body.split(b"\0")[1].decode(errors="replace")] if kind == _PARSE else []
