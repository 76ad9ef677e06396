"""textual-serve, kept to itself: own page, own font, no request without the secret."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

from zmig_tui.web import COOKIE, HOST, is_allowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class ConsoleServer(Server):
    """Serves the console to whoever knows the secret."""

    def __init__(self, command: str, port: int, pages: Path, token: str) -> None:
        templates = str(pages.resolve())
        super().__init__(command, host=HOST, port=port, title="zmig", templates_path=templates)  # pyright: ignore[reportUnknownMemberType] - a bare PathLike among its types
        self._token = token

    @property
    def address(self) -> str:
        """Where to point a browser; it holds the secret."""
        return f"{self.public_url}/?token={self._token}"

    def serve(self, debug: bool = False) -> None:
        """Listen until a signal comes; say where, once somebody can connect."""
        self.debug = debug
        web.run_app(self._make_app(), host=self.host, port=self.port, print=self._announce)

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing yet."""

    def _announce(self, _banner: str) -> None:
        sys.stderr.write(f"the console is at {self.address}\nctrl+c ends it\n")
        sys.stderr.flush()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not is_allowed(request, port=self.port, token=self._token):
            return web.Response(status=403, text="open the address that `zmig tui --web` printed\n")
        response = await handler(request)
        if request.path == "/" and not response.prepared:
            response.set_cookie(COOKIE, self._token, httponly=True, samesite="Strict")
            response.headers["Referrer-Policy"] = "no-referrer"
            response.headers["X-Frame-Options"] = "DENY"
        return response
