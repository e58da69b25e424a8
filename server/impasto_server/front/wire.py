"""A WebSocket of aiohttp, written to without copying pictures.

`WebSocketResponse.send_bytes` wants one bytes object, so a picture would be copied behind its description
first, and while aiohttp's writer waits for the kernel nobody can say how much is left. The transport below is
as public (`Request.transport`), takes header and pixels one after the other, and tells what it still holds.
Unmasked frames of a server need ten bytes of framing: RFC 6455 §5.2.
"""

from __future__ import annotations

import asyncio
import struct
from socket import SO_SNDBUF, SOL_SOCKET

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from impasto_server.front.outbox import Parts

__all__ = ["WebSocketWire"]

_FINAL_BINARY = 0x82
_SEND_BYTES = 4 << 20  # of the socket; the kernel may allow less
_SMALL = 16 << 10  # bytes: below, joining is cheaper than a second system call
_LENGTH16 = struct.Struct(">BBH")
_LENGTH64 = struct.Struct(">BBQ")


class WebSocketWire:
    """`Wire` of the outbox over a prepared WebSocket. Raises ConnectionResetError once it is closed."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport, writer: AbstractStreamWriter
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._writer = writer
        transport.set_write_buffer_limits(high=0)  # `drain` waits until the kernel has everything
        # A 1024² picture goes to the kernel in one call; what does not, asyncio copies (twice before 3.12).
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(SOL_SOCKET, SO_SNDBUF, _SEND_BYTES)

    def write(self, parts: Parts) -> bool:
        """Hands over one binary frame; True if nothing is left to send."""
        if self._socket.closed or self._transport.is_closing():
            raise ConnectionResetError("The WebSocket is closed.")
        head = frame_head(sum(len(part) for part in parts))
        first, *rest = parts
        self._transport.write(b"".join((head, first)) if len(first) <= _SMALL else head)
        if len(first) > _SMALL:
            self._transport.write(first)
        for part in rest:
            self._transport.write(part)
        return self._transport.get_write_buffer_size() == 0

    async def flushed(self) -> None:
        await self._writer.drain()

    def unsent(self) -> int:
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Ends the connection at once, dropping what is unsent."""
        self._transport.abort()


def frame_head(length: int) -> bytes:
    """Head of an unmasked, final binary frame of `length` bytes."""
    if length < 126:
        return bytes((_FINAL_BINARY, length))
    if length < 1 << 16:
        return _LENGTH16.pack(_FINAL_BINARY, 126, length)
    return _LENGTH64.pack(_FINAL_BINARY, 127, length)
