"""Live pictures between the front and a worker of the same machine: large ones through shared memory.

The sender copies a picture into a segment of its own, and the channel names it. The worker copies inputs out
as they come; the front looks at a preview where it lies while it passes it on. Then they say so (`InputRead`,
`PreviewRead`). So segments are lent for as long as they are on their way, a few are enough, and the end of a
worker frees all that it had yet to read. Without a folder in memory, and when no segment is free, pictures go
in the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from impasto_protocol.errors import MalformedFrame
from impasto_protocol.messages import Pixels
from impasto_protocol.shared_memory import SegmentPool, SharedFolder, private_folder, sweep

from impasto_server.pool.channel import FeedLive

__all__ = ["PictureMemory", "each_picture", "owned", "segments"]

WORTH_SHARING = 512 << 10  # bytes: measured; 256 KiB are 0.1 ms faster in the frame, 1 MiB 0.3 ms slower
LIMIT_BYTES = 64 << 20  # of the segments of one process


@dataclass
class PictureMemory:
    """One process's end of it. Safe for several threads."""

    folder: Path | None  # None: there is none
    _own: SegmentPool | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.folder is not None and private_folder(self.folder) is not None:
            self._own = SegmentPool(self.folder, limit_bytes=LIMIT_BYTES)

    def lend(self, pixels: Pixels) -> Pixels:
        """In a segment until `release`, where that is worth it; else as they are."""
        if self._own is None or pixels.data is None or len(pixels.data) < WORTH_SHARING:
            return pixels
        shared = self._own.lend(pixels.data)
        return pixels if shared is None else replace(pixels, data=None, shared=shared)

    def release(self, *names: str) -> None:
        """Others than lent segments are ignored."""
        for name in names:
            if self._own is not None:
                self._own.release(name)

    def copied(self, pixels: Pixels) -> Pixels:
        """With bytes of their own. Raises `MalformedFrame` when the segment is gone."""
        if pixels.shared is None:
            return pixels
        return replace(pixels, data=self._others().copy_out(pixels.shared), shared=None)

    @contextmanager
    def look(self, pixels: Pixels) -> Iterator[Pixels]:
        """With a view of the bytes, for as long as the context lasts: a copy into fresh memory would take the
        front 0.6 ms for 3 MiB. Raises what `copied` does."""
        if pixels.shared is None:
            yield pixels
            return
        with self._others().mapped(pixels.shared) as view:
            yield replace(pixels, data=view, shared=None)  # type: ignore[arg-type]  # bytes-like

    def forget(self, process: int) -> None:
        """Another process has died: what it had lent goes back to the system."""
        if self.folder is not None:
            sweep(self.folder, lambda owner: owner != process)

    def close(self) -> None:
        if self._own is not None:
            self._own.close()

    def _others(self) -> SharedFolder:
        if self.folder is None:
            raise MalformedFrame("Live pictures lie in memory that is not shared.")
        return SharedFolder(self.folder)


def each_picture(fed: FeedLive, change: Callable[[Pixels], Pixels]) -> FeedLive:
    """The input with all its pictures changed."""
    return msgspec.structs.replace(
        fed,
        image=change(fed.image),
        mask=None if fed.mask is None else change(fed.mask),
        controls=tuple(change(control) for control in fed.controls),
    )


def owned(pixels: Pixels) -> Pixels:
    """With bytes that stay as they are, whatever becomes of the memory they lie in now."""
    return pixels if pixels.data is None else replace(pixels, data=bytes(pixels.data))


def segments(fed: FeedLive) -> tuple[str, ...]:
    pictures = (fed.image, fed.mask, *fed.controls)
    return tuple(one.shared.name for one in pictures if one is not None and one.shared is not None)
