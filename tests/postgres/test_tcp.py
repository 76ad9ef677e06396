"""A network that is silently gone: what both ends of a connection ask of TCP, and that both notice."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from tests.support.proxy import Proxy
from zmig.database import connection as database

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP's options have other names elsewhere")

_OPTIONS = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")


@pytest.fixture
def url(database: str) -> Iterator[str]:
    """The database's URL over TCP, whatever the server listens on."""
    with Proxy(database) as proxy:
        yield proxy.url


def _in_force(connection: psycopg.Connection[tuple[object, ...]]) -> list[int]:
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as ours:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        return [ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in _OPTIONS]


def test_the_client_notices_within_half_a_minute(url: str) -> None:
    with database.connect(database.target(url, environ={}), application_name="zmig") as opened:
        idle, interval, count, user_timeout = _in_force(opened)
    assert idle + interval * count <= 30
    assert 0 < user_timeout <= 30_000


def test_what_the_url_says_stands(url: str) -> None:
    given = make_conninfo(url, keepalives_idle=60, keepalives_interval=61, keepalives_count=9, tcp_user_timeout=62_000)
    with database.connect(database.target(given, environ={}), application_name="zmig") as opened:
        assert _in_force(opened) == [60, 61, 9, 62_000]


def test_a_url_that_wants_none_gets_none(url: str) -> None:
    given = make_conninfo(url, keepalives=0)
    with (
        database.connect(database.target(given, environ={}), application_name="zmig") as opened,
        socket.socket(fileno=os.dup(opened.pgconn.socket)) as ours,
    ):
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
