"""Who may open the console in a browser: whoever knows the secret in its address, from this machine."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

HOST = "127.0.0.1"


def is_allowed(request: web.BaseRequest, *, port: int, token: str) -> bool:
    """Return whether a request comes from the console's own page, opened by whoever knows the secret."""
    own = {f"{HOST}:{port}", f"localhost:{port}"}
    origin = request.headers.get("Origin")
    if request.host not in own or (origin is not None and origin.removeprefix("http://") not in own):
        return False
    # A browser may hold a cookie of an earlier console; the address that was printed last opens the page all the same.
    given = {request.query.get("token"): token, request.cookies.get(cookie_name(port)): cookie_value(token)}
    return any(
        word is not None and hmac.compare_digest(word.encode("utf-8", "replace"), expected.encode())
        for word, expected in given.items()
    )


def cookie_name(port: int) -> str:
    """Return the name of the cookie: a browser sends a cookie to every port of a machine, so each has its own."""
    return f"zmig_console_{port}"


def cookie_value(token: str) -> str:
    """Return what the cookie holds, from which nobody learns the secret in the address."""
    return hmac.new(token.encode(), b"cookie", "sha256").hexdigest()
