"""Connections that have not yet proved anything: few, and not for long.

aiohttp bounds the header's size and an idle keep-alive, but neither the number of connections nor the time a
body may dribble (measured: over 100 s). Here every connection has `ADMISSION_S` from its acceptance until it
speaks as an authenticated client; then it is cut, whatever it is doing. When strangers fill the waiting room,
the oldest goes, so an honest client, who needs milliseconds, still gets in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp.web import RequestHandler, Server

__all__ = ["ADMISSION_S", "Gate"]

ADMISSION_S = 5.0
WAITING = 128  # connections that are not yet clients
ADMITTED = 128  # clients at once


class Gate:
    """Makes the protocol of each accepted connection; `admit` takes it out of the waiting room."""

    def __init__(
        self,
        server: Server,
        *,
        admission_s: float = ADMISSION_S,
        waiting: int = WAITING,
        admitted: int = ADMITTED,
    ) -> None:
        self._server = server
        self._admission_s = admission_s
        self._most_waiting = waiting
        self._most_admitted = admitted
        self._waiting: dict[RequestHandler, asyncio.TimerHandle] = {}  # oldest first
        self._admitted: set[RequestHandler] = set()

    def __call__(self) -> asyncio.Protocol:
        """The protocol factory for `loop.create_server`."""
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= self._most_waiting:
            self._cut(next(iter(self._waiting)))
        protocol = self._server()
        self._waiting[protocol] = loop.call_later(self._admission_s, self._cut, protocol)
        return protocol

    def admit(self, protocol: RequestHandler) -> Callable[[], None] | None:
        """Called with an authenticated client's connection. Returns what to call when it ends; None: full."""
        if len(self._admitted) >= self._most_admitted:
            return None
        timer = self._waiting.pop(protocol, None)
        if timer is not None:
            timer.cancel()
        self._admitted.add(protocol)
        return lambda: self._admitted.discard(protocol)

    def _cut(self, protocol: RequestHandler) -> None:
        timer = self._waiting.pop(protocol, None)
        if timer is not None:
            timer.cancel()
        if protocol.transport is None:  # it left by itself, or asyncio has yet to connect it
            asyncio.get_running_loop().call_later(self._admission_s, self._abort, protocol)
        else:
            self._abort(protocol)

    def _abort(self, protocol: RequestHandler) -> None:
        if protocol.transport is not None and protocol not in self._admitted:
            protocol.transport.abort()
