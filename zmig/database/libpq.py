"""libpq itself, called through ctypes: one short question to a server, before psycopg is imported.

Importing psycopg takes a process longer than all else of a command that finds nothing to do. This module loads the same
library, the one inside psycopg's wheel, so that connection strings, environment, TLS and authentication are the same.
It takes no parameters, knows the few types that zmig's own questions return, and says no errors: whatever is unusual
raises `Unavailable`, upon which the caller asks the same through psycopg, which says what is wrong.

The functions are described in PostgreSQL's documentation, chapter "libpq - C Library".
"""

from __future__ import annotations

import ctypes
import select
import time
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from zmig.database.types import Row

    Loader = Callable[[bytes], object]

_SECONDS_PER_WAIT = 0.1
"""A wait is no longer, so that Python sees signals in between."""
_LONGEST_WAIT_SECONDS = 2.0
"""For the connection, which takes milliseconds, or something is unusual."""
_SECONDS_OF_SILENCE = 10.0
"""After so long without a word, a server is asked whether it is still there; others may have locked what it reads."""

_COMMAND_OK, _TUPLES_OK = 1, 2
_POLLING_READING, _POLLING_WRITING, _POLLING_OK = 1, 2, 3
"""Of ExecStatusType and PostgresPollingStatusType in libpq-fe.h, whose values are its ABI."""


class Unavailable(Exception):
    """The question was not answered; psycopg is to ask it."""


class Cancelled(Unavailable):
    """The server cancelled the question, and says why."""


@contextmanager
def connect(parameters: Mapping[str, str]) -> Generator[QuickConnection]:
    """Connect, and close the connection after the block, whatever the server is doing then.

    Nothing is cancelled: that needs another connection, and an answer to it. A server is to notice itself that nobody
    waits any more.

    `parameters` are those of a connection string. `dbname` may be a whole one: what it says replaces the parameters
    before it, and those after it replace what it says.

    Raises:
        Unavailable: there is no such library, or no connection.
    """
    library = _library()
    names, values = map(_octets, parameters), map(_octets, parameters.values())
    link = library.PQconnectStartParams(_strings(names), _strings(values), 1)
    try:
        if not link:
            raise Unavailable("out of memory")
        library.PQsetNoticeProcessor(link, _DROP_NOTICE, None)
        connection = QuickConnection(library, link)
        connection.wait_until_open()
        yield connection
    finally:
        library.PQfinish(link)


def _octets(text: str) -> bytes:
    """Return a text as C takes it, which would end it at a null character."""
    if "\0" in text:
        raise Unavailable("a null character")
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Unavailable("no text") from None


def _strings(values: Iterable[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    strings = (*values, None)
    return (ctypes.c_char_p * len(strings))(*strings)


class Info:
    """What is known of a connection; named as psycopg names it."""

    def __init__(self, library: ctypes.CDLL, link: int) -> None:
        self._library = library
        self._link = link

    @property
    def server_version(self) -> int:
        """As in `server_version_num`."""
        return int(self._library.PQserverVersion(self._link))

    @property
    def backend_pid(self) -> int:
        """The process that the server announced."""
        return int(self._library.PQbackendPID(self._link))

    @property
    def host(self) -> str:
        """The host that answers, or the folder of its socket."""
        return _text(self._library.PQhost(self._link))

    @property
    def port(self) -> int:
        """The port of the host, or the number of the socket."""
        return int(self._library.PQport(self._link))

    def parameter_status(self, name: str, /) -> str | None:
        """Return the value of a setting that the server reports."""
        value = self._library.PQparameterStatus(self._link, name.encode())
        return _text(value) if value is not None else None


class Cursor:
    """A question and the rows that it returned; named as psycopg names it."""

    def __init__(self, ask: Callable[[bytes], Iterator[Row]]) -> None:
        self._ask = ask
        self._rows: Iterator[Row] = iter(())

    def execute(self, query: bytes, /) -> Cursor:
        """Send one statement; the answer is waited for when its first row is fetched.

        Raises:
            Unavailable: it cannot be sent. Fetching raises it, too: the server refuses the statement, is gone, or
                returns a value, or a type of one, that cannot be read.
        """
        self._rows = self._ask(query)
        return self

    def fetchone(self) -> Row | None:
        """Return the next row; None after the last one."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        return list(self._rows)

    def fetchmany(self, size: int, /) -> list[Row]:
        """Return the next rows, at most so many; none after the last one."""
        return list(islice(self._rows, size))

    def __iter__(self) -> Iterator[Row]:
        return self._rows


class QuickConnection:
    """A connection that asks questions without parameters."""

    closed = False
    broken = False

    def __init__(self, library: ctypes.CDLL, link: int) -> None:
        self._library = library
        self._link = link
        self.info = Info(library, link)

    def wait_until_open(self) -> None:
        """Go on until the connection is open. Raises Unavailable where the server cannot be reached, or refuses."""
        polled, end = _POLLING_WRITING, time.monotonic() + _LONGEST_WAIT_SECONDS
        while polled != _POLLING_OK:
            # libpq leaves `connect_timeout` to whoever calls PQconnectPoll.
            if time.monotonic() > end:
                raise Unavailable("no connection in time")
            if not self._poll(select.POLLOUT if polled == _POLLING_WRITING else select.POLLIN):
                continue
            polled = self._library.PQconnectPoll(self._link)
            if polled not in (_POLLING_READING, _POLLING_WRITING, _POLLING_OK):
                raise Unavailable("no connection")
        # Else sending, and even closing, would wait inside of libpq for a server that takes nothing.
        if self._library.PQsetnonblocking(self._link, 1) != 0:
            raise Unavailable("no connection")

    def cursor(self) -> Cursor:
        """Return what sends a statement and gives its rows."""
        return Cursor(self._ask)

    def execute(self, query: bytes, /) -> Cursor:
        """Send one statement and return its rows. Raises like `Cursor.execute`."""
        return self.cursor().execute(query)

    def _ask(self, query: bytes) -> Iterator[Row]:
        if not self._library.PQsendQuery(self._link, query):
            raise Unavailable("not sent")
        self._flush()
        return self._answer()

    def _flush(self) -> None:
        while left := self._library.PQflush(self._link):
            if left < 0:
                raise Unavailable("not sent")
            if self._wait(select.POLLIN | select.POLLOUT) & select.POLLIN:
                self._take()

    def _answer(self) -> Iterator[Row]:
        rows: Iterator[Row] = iter(())
        while result := self._next_result():
            rows = self._read(_Result(self._library, result))
        yield from rows

    def _next_result(self) -> int | None:
        while self._library.PQisBusy(self._link):
            self._wait(select.POLLIN)
            self._take()
        return self._library.PQgetResult(self._link)

    def _take(self) -> None:
        if not self._library.PQconsumeInput(self._link):
            raise Unavailable("the connection was lost")

    def _wait(self, events: int) -> int:
        """Wait until the socket is ready, for as long as the server is there; return what came."""
        end = time.monotonic() + _SECONDS_OF_SILENCE
        while not (came := self._poll(events)):
            if time.monotonic() >= end:
                self._require_answer()
                end = time.monotonic() + _SECONDS_OF_SILENCE
        return came

    def _require_answer(self) -> None:
        from zmig.database import unresponsive

        if not unresponsive.is_there(self._library.PQsocket(self._link), self.info.host, self.info.port):
            raise Unavailable(unresponsive.NO_ANSWER)

    def _poll(self, events: int) -> int:
        """Look for an instant whether the socket is ready; return what came."""
        socket = self._library.PQsocket(self._link)
        if socket < 0:
            raise Unavailable("no connection")
        poll = select.poll()
        poll.register(socket, events)
        return sum(came for _, came in poll.poll(_SECONDS_PER_WAIT * 1000))

    def _read(self, result: _Result) -> Iterator[Row]:
        library = self._library
        if library.PQresultStatus(result.address) not in (_COMMAND_OK, _TUPLES_OK):
            state, message = (library.PQresultErrorField(result.address, field) for field in (b"C", b"M"))
            if state == QUERY_CANCELED.encode():
                raise Cancelled((message or b"").decode("utf-8", "replace"))
            raise Unavailable("refused")
        loaders = [
            self._loader(library.PQftype(result.address, column)) for column in range(library.PQnfields(result.address))
        ]
        return result.rows(loaders)

    def _loader(self, oid: int) -> Loader:
        if oid not in _LOADERS:
            raise Unavailable(f"type {oid}")
        return self._load_time if oid == _TIMESTAMPTZ else _LOADERS[oid]

    @cached_property
    def _load_time(self) -> Loader:
        """What reads a time, which is in the session's time zone, as psycopg's are."""
        name = self.info.parameter_status("TimeZone")
        if name in (None, "UTC", "Etc/UTC"):
            return _time
        from zoneinfo import ZoneInfo

        try:
            zone = ZoneInfo(name)
        except (OSError, ValueError, KeyError):
            raise Unavailable(name) from None
        return lambda value: _time(value).astimezone(zone)


class _Result:
    """What the server returned for one statement, which libpq holds until this goes."""

    def __init__(self, library: ctypes.CDLL, address: int) -> None:
        self._library = library
        self.address = address

    def __del__(self) -> None:
        self._library.PQclear(self.address)

    def rows(self, loaders: Sequence[Loader]) -> Iterator[Row]:
        """Yield the rows, with a loader for each column."""
        value_of, is_null, address = self._library.PQgetvalue, self._library.PQgetisnull, self.address
        columns = list(enumerate(loaders))
        for row in range(self._library.PQntuples(address)):
            yield tuple(
                [
                    # A null's value is empty, too.
                    load(value)
                    if (value := value_of(address, row, column)) or not is_null(address, row, column)
                    else None
                    for column, load in columns
                ]
            )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:  # from a database of bytes
        raise Unavailable(value) from None


def _boolean(value: bytes) -> bool:
    return value == b"t"


def _time(value: bytes) -> datetime:
    try:
        return datetime.fromisoformat(_text(value))
    except ValueError:  # `infinity`, or a year that Python cannot hold
        raise Unavailable(value) from None


def _array(value: bytes) -> object:
    return array(_text(value))


def array(value: str) -> object:
    """Return an array of texts, of any number of dimensions (PostgreSQL documentation, "Array Input and Output")."""
    if not value.startswith("{"):  # with bounds of its own, as in `[0:1]={a,b}`
        raise Unavailable(value)
    stack: list[list[object]] = []
    place = 0
    while True:
        character = value[place]
        if character == "{":
            stack.append([])
            place += 1
        elif character == "}":
            done = stack.pop()
            if not stack:
                return done
            stack[-1].append(done)
            place += 1
        elif character == ",":
            place += 1
        else:
            item, place = _item(value, place)
            stack[-1].append(item)


def _item(value: str, place: int) -> tuple[str | None, int]:
    """Return the element that begins at `place`, and the place after it."""
    if value[place] != '"':
        end = place
        while value[end] not in ",}":
            end += 1
        return (None if value[place:end] == "NULL" else value[place:end]), end
    text: list[str] = []
    place += 1
    while value[place] != '"':
        place += value[place] == "\\"
        text.append(value[place])
        place += 1
    return "".join(text), place + 1


QUERY_CANCELED = "57014"
"""The SQLSTATE of a statement that was cancelled, or took too long."""
_TIMESTAMPTZ = 1184
_LOADERS: dict[int, Loader] = {
    16: _boolean,
    18: _text,  # "char"
    19: _text,  # name
    20: int,
    21: int,
    23: int,
    25: _text,
    26: int,  # oid
    701: float,  # double precision
    1003: _array,  # name[]
    1009: _array,  # text[]
    1043: _text,  # varchar
    _TIMESTAMPTZ: _time,
}
"""By the type's oid, which is the same on every server (pg_type.dat)."""


_NoticeProcessor = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)


@_NoticeProcessor
def _DROP_NOTICE(argument: int, message: bytes) -> None:
    """Take what libpq would print to stderr: psycopg's connection reports notices, if there are any."""


def _library() -> ctypes.CDLL:
    path = _path()
    if path is None:
        raise Unavailable("psycopg was not installed with its own libpq")
    try:
        library = ctypes.CDLL(str(path))
        _declare(library)
    except (OSError, AttributeError) as error:
        raise Unavailable(str(error)) from None
    return library


def _path() -> Path | None:
    """Return the library inside psycopg's wheel, where `auditwheel` puts what a wheel brings along."""
    spec = find_spec("psycopg_binary")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        for found in Path(folder).parent.glob("psycopg_binary.libs/libpq-*.so*"):
            return found
    return None


def _declare(library: ctypes.CDLL) -> None:
    """Say what the functions take and return; a pointer would be cut to an int otherwise."""
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    texts = ctypes.POINTER(text)
    for name, returned, *taken in (
        ("PQconnectStartParams", pointer, texts, texts, number),
        ("PQconnectPoll", number, pointer),
        ("PQfinish", None, pointer),
        ("PQsocket", number, pointer),
        ("PQhost", text, pointer),
        ("PQport", text, pointer),
        ("PQsetnonblocking", number, pointer, number),
        ("PQsetNoticeProcessor", pointer, pointer, _NoticeProcessor, pointer),
        ("PQserverVersion", number, pointer),
        ("PQbackendPID", number, pointer),
        ("PQparameterStatus", text, pointer, text),
        ("PQsendQuery", number, pointer, text),
        ("PQflush", number, pointer),
        ("PQconsumeInput", number, pointer),
        ("PQisBusy", number, pointer),
        ("PQgetResult", pointer, pointer),
        ("PQresultStatus", number, pointer),
        ("PQresultErrorField", text, pointer, ctypes.c_char),
        ("PQntuples", number, pointer),
        ("PQnfields", number, pointer),
        ("PQftype", ctypes.c_uint, pointer, number),
        ("PQgetisnull", number, pointer, number, number),
        ("PQgetvalue", text, pointer, number, number),
        ("PQclear", None, pointer),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = returned, taken
