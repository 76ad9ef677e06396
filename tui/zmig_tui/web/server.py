"""textual-serve, kept to itself: own page, own font, no request without the secret, no run that ends with its page."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import aiohttp_jinja2
from aiohttp import WSCloseCode, web
from textual_serve.server import Server, to_int

from zmig.hints import command
from zmig_tui.web.access import HOST, cookie_name, cookie_value, is_allowed
from zmig_tui.web.page_process import PageProcess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from zmig.presentation.hints import CommandLine

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NONCE = "nonce"
_SECONDS_BETWEEN_SIGNS_OF_LIFE = 15


def _policy(host: str, nonce: str) -> str:
    """Return what a page may do: be itself, in nobody's frame, and speak with its own server.

    The terminal in the page puts its colours into style elements as it goes.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            "style-src 'self' 'unsafe-inline'",
            "font-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self' ws://{host}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


class ConsoleServer(Server):
    """Serves the console to whoever knows the secret."""

    def __init__(self, command: Sequence[str], port: int, pages: Path, token: str, hints: CommandLine) -> None:
        templates = str(pages.resolve())
        super().__init__("", host=HOST, port=port, title="zmig", templates_path=templates)  # pyright: ignore[reportUnknownMemberType] - a bare PathLike among its types
        self._command = command
        self._token = token
        self._hints = hints
        self._sockets: set[web.WebSocketResponse] = set()
        self._processes: set[PageProcess] = set()

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

    async def on_shutdown(self, app: web.Application) -> None:
        """Close the pages, and say whether a run goes on without them."""
        if any(process.is_running for process in self._processes):
            sys.stderr.write(f"a run goes on; {self._hints.phrase(command('tui'))} attaches to it\n")
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    def _announce(self, _banner: str) -> None:
        sys.stderr.write(f"the console is at {self.address}\nctrl+c ends it\n")
        sys.stderr.flush()

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(self._guard)
        app.on_response_prepare.append(self._mark)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not is_allowed(request, port=self.port, token=self._token):
            return web.Response(status=403, text="open the address that `zmig tui --web` printed\n")
        response = await handler(request)
        if request.path == "/" and not response.prepared:
            response.set_cookie(
                cookie_name(self.port), cookie_value(self._token), httponly=True, samesite="Strict", path="/"
            )
        return response

    async def _mark(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say of every answer what a browser may do with it."""
        response.headers.update(_HEADERS)
        response.headers["Content-Security-Policy"] = _policy(request.host, str(request.get(_NONCE, "none")))

    async def handle_index(self, request: web.Request) -> web.Response:
        """Serve the page."""
        nonce = request[_NONCE] = secrets.token_urlsafe(16)
        context = {
            "title": self.title,
            "nonce": nonce,
            "socket": f"ws://{request.host}/ws",
            "font_size": to_int(request.query.get("fontsize", ""), 16),
        }
        return aiohttp_jinja2.render_template("app_index.html", request, context)

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one page's terminal: a process of its own, for as long as the page is there."""
        socket = web.WebSocketResponse(heartbeat=_SECONDS_BETWEEN_SIGNS_OF_LIFE)
        await socket.prepare(request)
        process = PageProcess(
            self._command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=socket.close,
            download_manager=self.download_manager,
        )
        self._sockets.add(socket)
        self._processes.add(process)
        try:
            await process.start(to_int(request.query.get("width", ""), 80), to_int(request.query.get("height", ""), 24))
            await self._process_messages(socket, process)
        finally:
            self._sockets.discard(socket)
            await process.leave(self._processes.discard)
        return socket
