"""What one connection says: messages through its outbox, and pixels the cheapest way there is."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable

from impasto_protocol.errors import BadValue
from impasto_protocol.messages import (
    CanvasAck,
    CanvasPixels,
    InputPixels,
    JobProgress,
    LayerPixels,
    Limits,
    LivePreview,
    Release,
    ServerMessage,
    ThumbnailPixels,
)

from impasto_server.front import typed_codec
from impasto_server.front.outbox import Outbox, Outgoing
from impasto_server.front.sharing import Sharing
from impasto_server.pool.memory import owned

__all__ = ["PixelReply", "Sender"]

ACKNOWLEDGE_S = 0.002  # how long an acknowledgement may wait for answers to go first

PixelReply = CanvasPixels | LayerPixels | ThumbnailPixels | InputPixels


class Sender:
    """`sharing` is set once both sides want it."""

    def __init__(self, outbox: Outbox, limits: Limits) -> None:
        self.sharing: Sharing | None = None
        self._outbox = outbox
        self._limits = limits
        self._owed: dict[object, CanvasAck | Release] = {}

    def send(self, message: ServerMessage) -> None:
        """Never blocks."""
        self._outbox.put(
            Outgoing(
                (typed_codec.encode(message),),
                replaces=getattr(message, "replaces", None),
                droppable=isinstance(message, JobProgress),
            )
        )

    async def room(self) -> None:
        """Waits until the client has taken enough for another answer."""
        await self._outbox.room()

    async def answer(self, message: ServerMessage) -> None:
        """Sends what was asked for, once there is room."""
        await self.room()
        self.send(message)

    def send_later(self, message: CanvasAck | Release) -> None:
        """Nobody waits for an acknowledgement, but for the answer to what was asked next somebody does. And
        the newest one of a canvas stands for all before it.
        """
        self._owed[getattr(message, "replaces", message)] = message
        if len(self._owed) == 1:
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_S, self.send_owed)

    def send_owed(self) -> None:
        owed, self._owed = self._owed, {}
        for message in owed.values():
            self.send(message)

    async def send_pixels(self, reply: PixelReply, done: Callable[[], None] | None = None) -> None:
        """Sends an answer with pixels: through shared memory when the client can, else in the frame,
        uncopied.

        `done` is called when the pixels are no longer looked at.
        """
        try:
            data = reply.pixels.data
            if data is None or len(data) > self._limits.frame_bytes:
                raise BadValue(f"No answer may exceed {self._limits.frame_bytes} bytes: ask for fewer rows.")
            await self._outbox.room()
            shared = None if self.sharing is None else await self.sharing.lend(data)
            if shared is not None:
                pixels = dataclasses.replace(reply.pixels, data=None, shared=shared)
                self.send(dataclasses.replace(reply, pixels=pixels))
                return
            self._outbox.put(Outgoing(typed_codec.encode_parts(reply), done=done))
            done = None  # the outbox calls it
        finally:
            if done is not None:
                done()

    def send_preview(self, preview: LivePreview) -> None:
        """Sends it at once. Its pixels go through shared memory when the client can, else in the frame; they
        are copied, unless they are bytes."""
        pixels = preview.pixels
        if pixels is None or pixels.data is None:
            self.send(preview)
            return
        shared = None if self.sharing is None else self.sharing.lend_now(pixels.data)
        if shared is not None:
            lent = dataclasses.replace(pixels, data=None, shared=shared)
            self.send(dataclasses.replace(preview, pixels=lent))
        else:
            kept = dataclasses.replace(preview, pixels=owned(pixels))
            self._outbox.put(Outgoing(typed_codec.encode_parts(kept)))
