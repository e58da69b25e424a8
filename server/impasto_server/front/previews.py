"""Previews of one live session on their way to the client: one that has not been seen at a time, and always
the newest.

    the same machine      through shared memory
    lossy, elsewhere      as JPEG
    else                  the tiles that differ from the last one seen, where they are few; or all of it
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import numpy as np
from impasto_protocol.messages import LivePreview, LiveTiles, Pixels
from impasto_protocol.tiles import changed_tiles, pack_tiles, tiles_size

from impasto_server.front.sending import Sender
from impasto_server.pool.channel import LivePainted
from impasto_server.pool.memory import owned

__all__ = ["Previews"]

JPEG_QUALITY = 85
WORTH_TILES = 0.5  # of the picture: more than this is sent whole
LOOK_EVERY = 8  # rows, at first: comparing all of a picture that has changed all over takes 0.1 ms at 256²


class Previews:
    """`spawn` runs a task that ends with the connection."""

    def __init__(
        self, live: str, sender: Sender, spawn: Callable[[Coroutine[Any, Any, None]], None], *, lossy: bool
    ) -> None:
        self.lossy = lossy
        self._live = live
        self._sender = sender
        self._spawn = spawn
        self._number = 0
        self._unseen = False
        self._newest: LivePainted | None = None  # waits until the last one has been seen
        self._sent: Pixels | None = None  # number `_number`, where tiles may be sent against it

    def show(self, painted: LivePainted) -> None:
        """Sends it now, or as soon as the client has seen the one before, if no newer one has come. Its
        pixels are looked at during this call only."""
        if not self._unseen:
            self._send(painted)
            return
        painted = msgspec.structs.replace(painted, pixels=owned(painted.pixels))
        if self._newest is not None:
            wasted = painted.wasted_steps + self._newest.wasted_steps
            painted = msgspec.structs.replace(painted, wasted_steps=wasted)
        self._newest = painted

    def seen(self, number: int) -> None:
        """The client has taken preview `number`. Others than the last are ignored."""
        if number != self._number or not self._unseen:
            return
        self._unseen = False
        if self._newest is not None:
            newest, self._newest = self._newest, None
            self._send(newest)

    def _send(self, painted: LivePainted) -> None:
        base, self._sent = self._sent, None
        self._number += 1
        self._unseen = True
        if self._sender.sharing is not None and self._sender.sharing.proven:
            self._sender.send_preview(self._preview(painted, pixels=painted.pixels))
            return
        pixels = owned(painted.pixels)
        if self.lossy:
            self._spawn(self._send_jpeg(msgspec.structs.replace(painted, pixels=pixels)))
        else:
            tiles = None if base is None else _tiles(self._number - 1, base, pixels)
            payload = {"pixels": pixels} if tiles is None else {"tiles": tiles}
            self._sender.send_preview(self._preview(painted, **payload))
            self._sent = pixels

    async def _send_jpeg(self, painted: LivePainted) -> None:
        jpeg = await asyncio.to_thread(_jpeg, painted.pixels)
        self._sender.send(self._preview(painted, jpeg=jpeg))

    def _preview(self, painted: LivePainted, **payload: Any) -> LivePreview:
        return LivePreview(
            live=self._live,
            number=self._number,
            input=painted.input,
            sequence=painted.sequence,
            width=painted.pixels.width,
            height=painted.pixels.height,
            refined=painted.refined,
            stages={**painted.stages, "returned": 1000 * max(0.0, time.monotonic() - painted.at_s)},
            wasted_steps=painted.wasted_steps,
            **payload,
        )


def _tiles(number: int, base: Pixels, pixels: Pixels) -> LiveTiles | None:
    """What differs from preview `number`; None: too much of it.

    Not squeezed: what a sampler has touched looks like noise against what it was, and zlib would take ten
    times as long as loopback takes for it.
    """
    size = (pixels.width, pixels.height, pixels.format)
    if (base.width, base.height, base.format) != size:
        return None
    assert base.data is not None
    assert pixels.data is not None
    was, now = (
        np.frombuffer(data, np.uint8).reshape(pixels.height, -1)[::LOOK_EVERY]
        for data in (base.data, pixels.data)
    )
    if np.count_nonzero(was != now) > WORTH_TILES * was.size:
        return None
    changed = changed_tiles(base.data, pixels.data, *size)
    if tiles_size(changed, *size) > WORTH_TILES * len(pixels.data):
        return None
    return LiveTiles(number, tuple(changed), "raw", pack_tiles(base.data, pixels.data, changed, *size))


def _jpeg(pixels: Pixels) -> bytes:
    import cv2  # here: most servers do without it (30 MiB, 50 ms)

    assert pixels.data is not None
    raster = np.frombuffer(pixels.data, np.uint8).reshape(pixels.height, pixels.width, 3)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    made, jpeg = cv2.imencode(".jpg", cv2.cvtColor(raster, cv2.COLOR_RGB2BGR), options)
    if not made:
        raise ValueError("OpenCV has no JPEG")
    return jpeg.tobytes()
