"""The server's copies of what a client has open: canvases, layers, masks, control images.

One `Canvases` belongs to one connection and is used by its reader alone, one update after another. Each
canvas is one buffer of the raw raster, changed in place. Whoever needs its pixels for longer than one update
borrows a `Snapshot`, which costs nothing; an update that comes while a snapshot is out moves the canvas to a
copy first.

Updates carry rising sequence numbers. A gap makes the canvas stale: later updates are dropped without a word
until the client opens it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np  # noqa: F401  apply_tiles is 6 times as fast where numpy is loaded; it costs the front 11 MiB
from impasto_protocol.errors import (
    BadImage,
    BadValue,
    ImageTooLarge,
    MalformedFrame,
    StaleCanvas,
    UnknownCanvas,
)
from impasto_protocol.messages import (
    CanvasAck,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    Limits,
    OpenCanvas,
    Pixels,
)
from impasto_protocol.rasters import PixelFormat, raster_size, row_size
from impasto_protocol.tiles import apply_tiles, inflate_tiles, tiles_size

__all__ = ["Canvases", "Snapshot", "copy_chunks"]

INLINE_BYTES = 4 << 20  # more than this is copied on a thread: 0.2 to 0.5 ms
INLINE_TILES = 48  # a tile of rgba8 takes some 25 µs to inflate and apply
CHUNK_BYTES = 1 << 20  # a thread lets the loop in between chunks; one memcpy holds the interpreter's lock
LONGEST_ID = 64  # characters


@dataclass(eq=False)
class Snapshot:
    """Rows of a canvas as they stood when it was taken. Call `release` when done with the bytes."""

    pixels: Pixels  # `data` is a read-only memoryview
    sequence: int
    release: Callable[[], None]


@dataclass(eq=False)
class _Buffer:
    """The bytes of a canvas, and how many snapshots look at them."""

    data: bytearray
    borrowers: int = 0

    def give_back(self) -> None:
        self.borrowers -= 1


@dataclass(eq=False)
class _Canvas:
    width: int
    height: int
    format: PixelFormat
    buffer: _Buffer
    sequence: int = 0
    stale: bool = False

    @property
    def size(self) -> int:
        return raster_size(self.width, self.height, self.format)


@dataclass(eq=False)
class Canvases:
    limits: Limits
    _open: dict[str, _Canvas] = field(default_factory=dict)

    @property
    def bytes_held(self) -> int:
        return sum(canvas.size for canvas in self._open.values())

    def open(self, message: OpenCanvas) -> None:
        """Opens or resets a canvas: zeros, sequence 0.

        Raises `BadValue` or `ImageTooLarge`; a canvas of that name stays as it was.
        """
        longest = self.limits.canvas_px
        if not 1 <= len(message.canvas) <= LONGEST_ID:
            raise BadValue(f"The name of a canvas has 1 to {LONGEST_ID} characters.")
        if message.width < 1 or message.height < 1:
            raise BadValue(f"A canvas of {message.width}×{message.height} pixels has nothing to paint on.")
        if max(message.width, message.height) > longest:
            raise ImageTooLarge(
                f"The canvas is {message.width}×{message.height} pixels; no side may exceed {longest}. "
                "Scale the picture down, or work on a part of it."
            )
        replaced = self._open.get(message.canvas)
        if replaced is None and len(self._open) >= self.limits.canvases:
            raise ImageTooLarge(
                f"{len(self._open)} canvases are open, the most there may be. Close one of them."
            )
        size = raster_size(message.width, message.height, message.format)
        others = self.bytes_held - (replaced.size if replaced is not None else 0)
        if others + size > self.limits.canvas_bytes:
            raise ImageTooLarge(
                f"The open canvases would take {(others + size) >> 20} MiB; there are "
                f"{self.limits.canvas_bytes >> 20} MiB for them. Close a picture, or work on a part of it."
            )
        self._open[message.canvas] = _Canvas(
            message.width, message.height, message.format, _Buffer(bytearray(size))
        )

    def close(self, canvas: str) -> None:
        """Idempotent."""
        self._open.pop(canvas, None)

    async def write_rows(
        self, message: CanvasRows, size: int, fill: Callable[[memoryview], None]
    ) -> CanvasAck | CanvasStale | None:
        """Replaces whole rows by the `size` bytes behind `message.pixels`, which `fill` writes where it is
        told. Returns what to answer, if anything.

        Raises `UnknownCanvas`, and `BadImage` for rows that are not of this canvas; it is unchanged then.
        What `fill` raises leaves the canvas stale.
        """
        canvas = self._known(message.canvas)
        refusal = self._follow(message.canvas, canvas, message.sequence)
        if refusal is not None or canvas.stale:
            return refusal
        start, end = self._span(canvas, message.y, message.pixels.height)
        if message.pixels.width != canvas.width or message.pixels.format is not canvas.format:
            raise BadImage("The rows have another width or pixel format than the canvas. Send it again.")
        if size != end - start:
            raise BadImage(f"{size} bytes came where the rows need {end - start}. Send the canvas again.")
        target = memoryview(await self._writable(canvas))[start:end]
        try:
            if size <= INLINE_BYTES:
                fill(target)
            else:
                await asyncio.to_thread(fill, target)
        except BaseException:
            canvas.stale = True  # half of the rows may be there
            raise
        canvas.sequence = message.sequence
        return CanvasAck(message.canvas, canvas.sequence)

    async def write_tiles(self, message: CanvasTiles) -> CanvasAck | CanvasStale | None:
        """Changes tiles by XOR. Returns what to answer, if anything.

        Raises `UnknownCanvas`, and `MalformedFrame` for tiles or data that do not fit; it is unchanged then.
        """
        canvas = self._known(message.canvas)
        refusal = self._follow(message.canvas, canvas, message.sequence)
        if refusal is not None or canvas.stale:
            return refusal
        target = await self._writable(canvas)
        if len(message.tiles) <= INLINE_TILES:
            _apply(target, canvas, message)
        else:
            await asyncio.to_thread(_apply, target, canvas, message)
        canvas.sequence = message.sequence
        return CanvasAck(message.canvas, canvas.sequence)

    def rows(self, canvas: str, y: int, height: int) -> Snapshot:
        """Rows as they stand. Raises `UnknownCanvas`, `StaleCanvas`, `BadValue`."""
        found = self._known(canvas)
        if found.stale:
            raise StaleCanvas("The server has lost track of this picture. Send it again.")
        start, end = self._span(found, y, height)
        found.buffer.borrowers += 1
        view = memoryview(found.buffer.data).toreadonly()[start:end]
        pixels = Pixels(found.width, height, found.format, data=view)  # type: ignore[arg-type]  # bytes-like
        return Snapshot(pixels, found.sequence, _once(found.buffer.give_back))

    def snapshot(self, ref: CanvasRef) -> Snapshot:
        """A whole canvas, for a job. Raises `UnknownCanvas`, or `StaleCanvas` when it is not at
        `ref.sequence`.
        """
        canvas = self._known(ref.canvas)
        if canvas.stale or canvas.sequence != ref.sequence:
            raise StaleCanvas("The picture has changed since this was asked for. Send it again.")
        return self.current(ref.canvas)

    def current(self, canvas: str) -> Snapshot:
        """A whole canvas as it stands. Raises `UnknownCanvas`, `StaleCanvas`."""
        return self.rows(canvas, 0, self._known(canvas).height)

    def _known(self, canvas: str) -> _Canvas:
        try:
            return self._open[canvas]
        except KeyError:
            raise UnknownCanvas("The server does not hold this picture. Open it again.") from None

    @staticmethod
    def _follow(name: str, canvas: _Canvas, sequence: int) -> CanvasStale | None:
        """Notes a gap. None when the update follows, or when the client has been told already."""
        if canvas.stale or sequence == canvas.sequence + 1:
            return None
        canvas.stale = True
        return CanvasStale(name, canvas.sequence)

    @staticmethod
    def _span(canvas: _Canvas, y: int, height: int) -> tuple[int, int]:
        """Bytes from … to of some rows."""
        if y < 0 or height < 1 or y + height > canvas.height:
            raise BadValue(f"There are no rows {y} to {y + height} in a canvas of {canvas.height} rows.")
        row = row_size(canvas.width, canvas.format)
        return y * row, (y + height) * row

    @staticmethod
    async def _writable(canvas: _Canvas) -> bytearray:
        """The canvas's bytes, which no snapshot sees."""
        if canvas.buffer.borrowers > 0:
            old = canvas.buffer.data
            new = bytearray(len(old))
            if len(old) <= INLINE_BYTES:
                new[:] = old
            else:
                await asyncio.to_thread(copy_chunks, memoryview(new), memoryview(old))
            canvas.buffer = _Buffer(new)
        return canvas.buffer.data


def _apply(target: bytearray, canvas: _Canvas, message: CanvasTiles) -> None:
    size = tiles_size(message.tiles, canvas.width, canvas.height, canvas.format)
    # Before anything is inflated: this size bounds what a hostile stream may become.
    if size > canvas.size:
        raise MalformedFrame("A canvas update has more tiles than the canvas.")
    data = inflate_tiles(message.encoding, message.data, size)
    apply_tiles(target, message.tiles, data, canvas.width, canvas.height, canvas.format)


def copy_chunks(target: memoryview, source: bytes | memoryview) -> None:
    """`target[:] = source`, letting other threads in between."""
    source = memoryview(source)
    for start in range(0, len(source), CHUNK_BYTES):
        target[start : start + CHUNK_BYTES] = source[start : start + CHUNK_BYTES]


def _once(action: Callable[[], None]) -> Callable[[], None]:
    """`action` at the first call, nothing at later ones."""
    pending = [action]

    def call() -> None:
        if pending:
            pending.pop()()

    return call
