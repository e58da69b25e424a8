"""The HTTP side: a socket on the loopback, two addresses, and the guard before both."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from impasto_protocol import places
from impasto_protocol.errors import PortTaken

from impasto_server import __version__
from impasto_server.config import Config
from impasto_server.front.auth import ServerInfo, harden, make_guard, new_token, publish, withdraw
from impasto_server.front.connection import Connection, Services
from impasto_server.front.gate import ADMISSION_S, Gate
from impasto_server.front.job_messages import Desk
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.sharing import sweep_dead
from impasto_server.front.wire import WebSocketWire

__all__ = ["Front", "bind", "listening", "make_app"]

BACKLOG = 256  # connections the kernel holds until they are accepted
CLOSING_S = 2.0  # for clients to say goodbye
FINISHING_S = 5.0  # for changes of the journal that had begun

# aiohttp's own defaults allow a 3,630 s keep-alive and 1 MiB of headers.
_HTTP_LIMITS: dict[str, Any] = {
    "max_line_size": 1024,
    "max_field_size": 1024,
    "max_headers": 32,
    "keepalive_timeout": ADMISSION_S,
    "lingering_time": 0.0,  # no body is ever read
    "access_log": None,
}


class Front:
    """The handlers of the two addresses, and the connections they opened."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.gate: Gate | None = None  # set when it listens
        self._open: set[Connection] = set()

    async def health(self, _request: web.Request) -> web.Response:
        """GET /v1/health: who answers, and on what it paints (null: no worker is ready)."""
        return web.json_response({"version": self.services.version, "device": self.services.desk.device})

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """GET /v1, upgraded: the protocol. One authenticated client until it leaves."""
        assert self.gate is not None
        left = self.gate.admit(request.protocol)
        if left is None:
            raise web.HTTPServiceUnavailable(text="Too many programs are connected. Close one of them.\n")
        # `autoping` off: a pong is proof of life, and only the connection knows what to do with it.
        ws = web.WebSocketResponse(
            timeout=CLOSING_S,
            autoping=False,
            compress=False,
            max_msg_size=self.services.limits.frame_bytes + 1,
        )
        try:
            writer = await ws.prepare(request)
            if writer is not None and request.transport is not None:
                await self._converse(
                    Connection(self.services, ws, WebSocketWire(ws, request.transport, writer))
                )
        finally:
            left()
        return ws

    async def _converse(self, connection: Connection) -> None:
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)

    async def close(self) -> None:
        """Says goodbye to all clients, then lets the journal finish what it began."""
        goodbyes = [asyncio.ensure_future(connection.close()) for connection in self._open]
        if goodbyes:
            await asyncio.wait(goodbyes, timeout=CLOSING_S)
        if self.services.started:
            await asyncio.wait(self.services.started, timeout=FINISHING_S)


def make_app(front: Front, info: ServerInfo) -> web.Application:
    """The HTTP side: two addresses, everything else refused, and the guard before all of it."""
    app = web.Application(middlewares=[make_guard(info.token, _names(info))])
    app.on_response_prepare.append(harden)
    app.router.add_get("/v1/health", front.health, allow_head=False)
    app.router.add_get("/v1", front.speak, allow_head=False)
    return app


def bind(config: Config) -> socket.socket:
    """A socket on the loopback, listening soon. Raises `PortTaken`."""
    host = "127.0.0.1" if config.host == "localhost" else config.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, reuse would let another program take the port over
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # so that a restarted server need not wait for the last one's connections to time out
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, config.port))
    except OSError as error:
        listener.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES, getattr(errno, "WSAEACCES", errno.EACCES)):
            raise PortTaken(
                f"Port {config.port} is taken by another program. Stop it, or choose another with --port "
                "(or `port` in config.toml)."
            ) from error
        raise
    return listener


@asynccontextmanager
async def listening(
    config: Config, desk: Desk, live: LiveDesk, listener: socket.socket
) -> AsyncIterator[ServerInfo]:
    """Answers on `listener` while the context lasts; clients find the server by `server.json` in its home."""
    host, port = listener.getsockname()[:2]
    info = ServerInfo(host=host, port=port, pid=os.getpid(), version=__version__, token=new_token())
    shared_folder = places.shared_folder(config.home)
    await asyncio.to_thread(sweep_dead, shared_folder)
    front = Front(Services(desk, live, config.limits, __version__, shared_folder))
    runner = web.AppRunner(make_app(front, info), **_HTTP_LIMITS)
    await runner.setup()
    assert runner.server is not None
    front.gate = Gate(runner.server)
    server = await asyncio.get_running_loop().create_server(front.gate, sock=listener, backlog=BACKLOG)
    try:
        publish(config.home, info)
        yield info
    finally:
        withdraw(config.home, info)
        server.close()
        await front.close()
        await runner.cleanup()


def _names(info: ServerInfo) -> tuple[str, ...]:
    """What a client may call this server in its `Host` header."""
    own = f"[{info.host}]" if ":" in info.host else info.host
    return (f"{own}:{info.port}", f"localhost:{info.port}")
