"""Shared memory of one connection, in both directions.

The server offers a folder and a probe in it. It lends memory only to a client that has shown that it reads
there: one that released the probe, or handed over a segment of its own. A client in a container, or behind a
tunnel, finds no probe and gets its pixels in frames.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import psutil
from impasto_protocol.messages import SharedBytes, SharedOffer
from impasto_protocol.shared_memory import SegmentPool, SharedFolder, private_folder, sweep

__all__ = ["Sharing", "sweep_dead"]

POOL_BYTES = 128 << 20  # lent to one client and not yet released; more goes in frames
WORTH_SHARING = 32 << 10  # bytes: below, a frame is as fast
INLINE_BYTES = 4 << 20  # more is copied on a thread: 4 MiB take about 0.5 ms


@dataclass
class Sharing:
    offer: SharedOffer
    _pool: SegmentPool
    _folder: SharedFolder
    _proven: bool = False

    @classmethod
    def open(cls, folder: Path) -> Sharing | None:
        """None when this machine has no folder for it. Touches the disk."""
        private = private_folder(folder)
        if private is None:
            return None
        pool = SegmentPool(private, limit_bytes=POOL_BYTES)
        offer = pool.offer()
        return None if offer is None else cls(offer, pool, SharedFolder(private))

    def released(self, name: str) -> None:
        """The client has copied a segment out, or has read the probe."""
        if name == self.offer.probe:
            self._proven = True
        else:
            self._pool.release(name)

    @property
    def proven(self) -> bool:
        """Whether the client has shown that it reads there."""
        return self._proven

    def lend_now(self, data: bytes | memoryview) -> SharedBytes | None:
        """Puts bytes where the client can read them. None: send them in the frame."""
        return self._pool.lend(data) if self._proven and len(data) >= WORTH_SHARING else None

    async def lend(self, data: bytes | memoryview) -> SharedBytes | None:
        """Like `lend_now`; much of it on a thread."""
        if len(data) <= INLINE_BYTES:
            return self.lend_now(data)
        return await asyncio.to_thread(self.lend_now, data)

    def check(self, shared: SharedBytes) -> None:
        """Raises `MalformedFrame` if a client's segment is not there, or is not what it said."""
        self._folder.check(shared)

    def take(self, shared: SharedBytes, target: memoryview) -> None:
        """Copies what a client put into a segment of its own. Raises `MalformedFrame` if it is not there."""
        self._folder.read_into(shared, target)
        self._proven = True

    def close(self) -> None:
        self._pool.close()


def sweep_dead(folder: Path) -> int:
    """Removes segments whose owner, a server or a client, died without a word. Returns how many."""
    return sweep(folder, lambda pid: pid == os.getpid() or psutil.pid_exists(pid))
