"""What a migration's code returned or left behind that means that it is not done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator
from types import CoroutineType, GeneratorType

import psycopg

from zmig.errors import Problem

LEFT_IN_USE = Problem(
    "connection-left-in-use",
    "it returned while its connection was still in use",
    hint="end each COPY, stream and pipeline, by `with` for example, and each thread, by `join()`, before it returns",
)
LEFT_A_STREAM = Problem(
    "connection-left-in-use",
    "it left a `stream()` before its last row: psycopg cancels such a query, and the transaction fails by that",
    hint="read each `stream()` to its end, or use a cursor with a name, as in `ctx.connection.cursor('rows')`",
)


def is_yet_to_run(returned: object) -> bool:
    """Whether what a function returned is work that it only began: it was written with `async` or `yield`, say.

    Such work is ended here, so that Python does not warn of it. A cursor is none, though it can be iterated over.
    """
    if isinstance(returned, GeneratorType | CoroutineType):
        returned.close()
        return True
    is_cursor = isinstance(returned, psycopg.Cursor)
    return not is_cursor and (callable(returned) or isinstance(returned, Awaitable | AsyncIterator | Iterator))
