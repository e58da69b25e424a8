"""What a connection's messages about its canvases do. All of it is done while the message is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from impasto_protocol.errors import BadImage
from impasto_protocol.messages import (
    CanvasAck,
    CanvasPixels,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    CloseCanvas,
    Limits,
    OpenCanvas,
    Pixels,
    ReadCanvas,
    Release,
)
from impasto_protocol.rasters import raster_size

from impasto_server.front.canvases import Canvases, copy_chunks
from impasto_server.front.sending import Sender

__all__ = ["CanvasMessages"]


class CanvasMessages:
    def __init__(self, canvases: Canvases, limits: Limits, sender: Sender) -> None:
        self._canvases = canvases
        self._limits = limits
        self._sender = sender

    async def open(self, message: OpenCanvas) -> None:
        self._canvases.open(message)

    async def close(self, message: CloseCanvas) -> None:
        self._canvases.close(message.canvas)

    async def rows(self, message: CanvasRows) -> None:
        size, fill = self._source(message.pixels)
        try:
            answer = await self._canvases.write_rows(message, size, fill)
        finally:
            if message.pixels.shared is not None:
                self._sender.send_later(Release(message.pixels.shared.name))
        self._answer_update(answer)

    async def tiles(self, message: CanvasTiles) -> None:
        self._answer_update(await self._canvases.write_tiles(message))

    async def read(self, message: ReadCanvas) -> None:
        rows = self._canvases.rows(message.canvas, message.y, message.height)
        reply = CanvasPixels(message.request, message.canvas, rows.sequence, message.y, rows.pixels)
        await self._sender.send_pixels(reply, rows.release)

    async def release(self, message: Release) -> None:
        if self._sender.sharing is not None:
            self._sender.sharing.released(message.name)

    def _answer_update(self, answer: CanvasAck | CanvasStale | None) -> None:
        if isinstance(answer, CanvasAck):
            self._sender.send_later(answer)
        elif answer is not None:
            self._sender.send_owed()  # or the client would take it for one of the canvas it opens now
            self._sender.send(answer)

    def _source(self, pixels: Pixels) -> tuple[int, Callable[[memoryview], None]]:
        """The bytes a client sent, in the frame or in shared memory: how many, and what writes them."""
        if (pixels.data is None) == (pixels.shared is None):
            raise BadImage("Pixels come either in the message or in shared memory. Update the program.")
        if pixels.shared is None:
            assert pixels.data is not None
            return len(pixels.data), partial(copy_chunks, source=pixels.data)
        sharing = self._sender.sharing
        if sharing is None:
            raise BadImage("This connection has no shared memory. Update the program.")
        if pixels.width < 1 or pixels.height < 1:
            raise BadImage("A picture has at least one pixel.")
        if pixels.shared.size != raster_size(pixels.width, pixels.height, pixels.format):
            raise BadImage("The shared bytes are not a picture of that size. Send it again.")
        if pixels.shared.size > self._limits.frame_bytes:
            raise BadImage(f"No more than {self._limits.frame_bytes} bytes at once: send fewer rows.")
        sharing.check(pixels.shared)
        return pixels.shared.size, partial(sharing.take, pixels.shared)
