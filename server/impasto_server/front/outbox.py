"""What waits to be sent to one client: bounded, newest first where that is enough.

Messages with a `replaces` key overwrite an unsent message of the same key in its place, so a slow client sees
fewer steps, never older ones. When the box is full, progress goes first, oldest first; when that is not
enough the client is too slow for its own jobs, and the connection is given up: its jobs and results stay in
the journal, and it gets the newest state of each when it comes back.

Frames leave one at a time: the next is handed over when the kernel has the whole last one, so that what can
still be overtaken waits here and not in a buffer below. An idle box sends at once, without a switch of tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Parts = tuple[bytes | memoryview, ...]

MOST_BYTES = 32 << 20  # waiting; one longer frame is taken when nothing else waits
MOST_FRAMES = 4096  # waiting; more than the newest states of all jobs a client may have
STALL_S = 15.0  # a frame that the client takes no byte of for so long

__all__ = ["MOST_BYTES", "MOST_FRAMES", "STALL_S", "Outbox", "Outgoing", "Wire"]


class Wire(Protocol):
    """One WebSocket as the outbox sees it."""

    def write(self, parts: Parts) -> bool:
        """Hands one frame to the kernel; True if it took all of it. Raises ConnectionError if closed."""
        ...

    async def flushed(self) -> None:
        """Returns when the kernel has all that was written. Raises ConnectionError when it closes before."""
        ...

    def unsent(self) -> int:
        """Bytes the kernel has not taken."""
        ...


@dataclass(frozen=True, eq=False)
class Outgoing:
    """One frame on its way. `done` is called once, when its bytes are no longer needed, sent or not."""

    parts: Parts
    replaces: str | None = None
    droppable: bool = False
    done: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        return sum(len(part) for part in self.parts)

    def settle(self) -> None:
        if self.done is not None:
            self.done()


class Outbox:
    """Owned by one connection, used on its event loop only. `run` is the sender; `overflow` gives the client
    up.
    """

    def __init__(
        self,
        wire: Wire,
        overflow: Callable[[str], None],
        *,
        most_bytes: int = MOST_BYTES,
        most_frames: int = MOST_FRAMES,
        stall_s: float = STALL_S,
    ) -> None:
        self._wire = wire
        self._overflow = overflow
        self._most_bytes = most_bytes
        self._most_frames = most_frames
        self._stall_s = stall_s
        self._waiting: dict[
            object, Outgoing
        ] = {}  # in sending order; the key is `replaces` or the frame itself
        self._bytes = 0
        self._sending: Outgoing | None = None  # handed over, not yet with the kernel in full
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Frames that have not been handed over."""
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def put(self, frame: Outgoing) -> None:
        """Takes a frame, sends it now if nothing is before it, and makes room for it if it must."""
        if self._closed:
            frame.settle()
            return
        if self._sending is None and not self._waiting:
            self._hand_over(frame)
            return
        key = frame.replaces if frame.replaces is not None else frame
        replaced = self._waiting.get(key)
        if replaced is not None:
            self._bytes -= replaced.size
            replaced.settle()
        self._waiting[key] = frame
        self._bytes += frame.size
        self._empty.clear()
        self._make_room()
        self._wake.set()

    async def room(self) -> None:
        """Waits until less than half of the box is in use: for answers, whose asker can wait."""
        await self._room.wait()

    async def run(self) -> None:
        """Sends until `close`. Returns early when the connection is gone or the client takes nothing."""
        try:
            while not self._closed:
                if self._sending is not None:
                    await self._finish_sending()
                elif self._waiting:
                    self._hand_over(self._take())
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except ConnectionError:
            pass
        finally:
            self.close()

    async def drained(self) -> None:
        """Waits until everything has left; for the last words before a connection is closed."""
        await self._empty.wait()

    def close(self) -> None:
        """Drops what waits. Later frames are dropped as well."""
        self._closed = True
        for frame in self._waiting.values():
            frame.settle()
        self._waiting.clear()
        self._bytes = 0
        if self._sending is not None:
            self._sending.settle()
            self._sending = None
        self._room.set()
        self._empty.set()
        self._wake.set()

    def _give_up(self, reason: str) -> None:
        self.close()
        self._overflow(reason)

    def _hand_over(self, frame: Outgoing) -> None:
        try:
            complete = self._wire.write(frame.parts)
        except ConnectionError:
            frame.settle()
            self.close()
            return
        if complete:
            frame.settle()
            self._note_empty()
        else:
            self._sending = frame
            self._empty.clear()
            self._wake.set()

    async def _finish_sending(self) -> None:
        """Waits for the kernel; a client that takes no byte in `STALL_S` is given up."""
        flushed = asyncio.ensure_future(self._wire.flushed())
        try:
            left = self._wire.unsent()
            while not (await asyncio.wait({flushed}, timeout=self._stall_s))[0]:
                if self._wire.unsent() >= left:
                    self._give_up("it took nothing for too long")
                    return
                left = self._wire.unsent()
            flushed.result()
        finally:
            flushed.cancel()
        if self._sending is not None:
            self._sending.settle()
            self._sending = None
        self._note_empty()

    def _note_empty(self) -> None:
        if self._sending is None and not self._waiting:
            self._empty.set()

    def _take(self) -> Outgoing:
        key = next(iter(self._waiting))
        return self._remove(key)

    def _remove(self, key: object) -> Outgoing:
        frame = self._waiting.pop(key)
        self._bytes -= frame.size
        if 2 * self._bytes <= self._most_bytes and 2 * len(self._waiting) <= self._most_frames:
            self._room.set()
        return frame

    def _make_room(self) -> None:
        if self._too_full():
            for key in [key for key, frame in self._waiting.items() if frame.droppable]:
                self._remove(key).settle()
                if not self._too_full():
                    break
        if self._too_full():
            self._give_up("it reads too slowly")
        elif 2 * self._bytes > self._most_bytes or 2 * len(self._waiting) > self._most_frames:
            self._room.clear()

    def _too_full(self) -> bool:
        over = self._bytes > self._most_bytes and len(self._waiting) > 1
        return over or len(self._waiting) > self._most_frames
