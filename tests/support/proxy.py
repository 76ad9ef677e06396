"""A proxy between zmig and the server: counts round trips, keeps what is sent, loses the connection when it is to."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import Enum, auto
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_BLOCK = 1 << 16
_DEFAULT_PORT = 5432
UNENCRYPTED = {"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}
_READY, _QUERY, _PARSE = b"Z", b"Q", b"P"


class Moment(Enum):
    """When the connection is lost, seen from one message of the client's."""

    BEFORE = auto()
    """The server does not get it."""
    AFTER = auto()
    """The server has answered, and the client does not get the answer."""


class Proxy:
    """Passes connections on; loses the first one at its `number`-th message after the start-up, if that is given."""

    def __init__(self, url: str, *, number: int | None = None, moment: Moment = Moment.BEFORE) -> None:
        self._parameters = {key: str(value) for key, value in conninfo_to_dict(url).items()}
        self._number = number
        self._moment = moment
        self.messages = 0
        """How many messages the first connection has passed on, or would have."""
        self.round_trips = 0
        """How often the server has said that it is ready for the next message, to all connections."""
        self.sessions: list[list[str]] = []
        """What each connection's client sent of SQL, one text for each message, in order."""
        self.has_cut = False
        self.is_silent = False
        self._takes = threading.Event()
        self._takes.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: list[_Link] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """The database's URL through this proxy."""
        options = {key: value for key, value in self._parameters.items() if key not in _PLACE}
        return f"{self.bare_url}?{urlencode({**options, 'sslmode': 'disable', 'gssencmode': 'disable'})}"

    @property
    def bare_url(self) -> str:
        """The same without parameters, for a test that gives those of `UNENCRYPTED` in the environment."""
        login = quote(self._parameters.get("user", "postgres"), safe="")
        if "password" in self._parameters:
            login += f":{quote(self._parameters['password'], safe='')}"
        port = self._listener.getsockname()[1]
        return f"postgresql://{login}@127.0.0.1:{port}/{quote(self._parameters['dbname'], safe='')}"

    def cut(self) -> None:
        """Lose every connection now."""
        for link in self._links:
            link.cut()

    def fall_silent(self) -> None:
        """Pass nothing on from now on, as a network does that loses every packet."""
        self.is_silent = True

    def stop_taking(self) -> None:
        """Read nothing of what clients send from their next message on, as a server does that hangs."""
        self._takes.clear()

    def wait_to_take(self) -> None:
        """Wait until messages are read."""
        self._takes.wait()

    def is_due(self, link: _Link) -> bool:
        """Count a message of a connection; whether that connection is to be lost at it."""
        if link is not self._links[0]:
            return False
        self.messages += 1
        return self.messages == self._number

    @property
    def moment(self) -> Moment:
        return self._moment

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._pass_on(client)

    def _pass_on(self, client: socket.socket) -> None:
        try:
            server = _server(self._parameters)
        except OSError:
            client.close()  # whoever connects without a server is told so, and the next one may have one
            return
        link = _Link(self, client, server)
        self._links.append(link)
        self.sessions.append(link.statements)
        link.start()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self._takes.set()
        for link in self._links:
            link.cut()
            link.join()


_PLACE = frozenset({"user", "password", "dbname", "host", "hostaddr", "port"})


def _server(parameters: dict[str, str]) -> socket.socket:
    host, port = parameters.get("host", "127.0.0.1"), int(parameters.get("port", _DEFAULT_PORT))
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{host}/.s.PGSQL.{port}")
    return server


class _Link:
    """One connection: a client and its server."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_dumb = False
        self.statements: list[str] = []
        self._threads = [threading.Thread(target=pump, daemon=True) for pump in (self._to_server, self._to_client)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """End both sides, the client's without a farewell."""
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                if end.family == socket.AF_INET:
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _to_server(self) -> None:
        is_start_up = True
        messages = _Messages(is_start_up=True)
        with contextlib.suppress(OSError):
            while block := self._client.recv(_BLOCK):
                self._proxy.wait_to_take()
                self.statements += (text for kind, body in messages.ended_by(block) for text in _sql(kind, body))
                if self._proxy.is_silent:
                    continue
                if not is_start_up and self._proxy.is_due(self):
                    self._proxy.has_cut = True
                    if self._proxy.moment is Moment.BEFORE:
                        break
                    self._is_dumb = True
                is_start_up = False
                self._server.sendall(block)
        self.cut()

    def _to_client(self) -> None:
        messages = _Messages(is_start_up=False)
        with contextlib.suppress(OSError):
            while block := self._server.recv(_BLOCK):
                self._proxy.round_trips += sum(kind == _READY for kind, _ in messages.ended_by(block))
                if self._is_dumb:
                    break
                if self._proxy.is_silent:
                    continue
                self._client.sendall(block)
        self.cut()


class _Messages:
    """Cuts what one end sends into messages: a type of one octet, which a client's first one lacks, and a length."""

    def __init__(self, *, is_start_up: bool) -> None:
        self._held = b""
        self._type_octets = 0 if is_start_up else 1

    def ended_by(self, block: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the type and the body of each message that a block is the end of."""
        self._held += block
        while len(self._held) >= (begin := self._type_octets) + 4:
            end = begin + int.from_bytes(self._held[begin : begin + 4], "big")
            if len(self._held) < end:
                return
            yield self._held[:begin], self._held[begin + 4 : end]
            self._held, self._type_octets = self._held[end:], 1


def _sql(kind: bytes, body: bytes) -> list[str]:
    if kind == _QUERY:
        return [body.rstrip(b"\0").decode(errors="replace")]
    return [body.split(b"\0")[1].decode(errors="replace")] if kind == _PARSE else []
