"""A canvas as the client keeps it: what the artist's picture is, and what the server has of it."""

import threading
from typing import TYPE_CHECKING, Iterator, List, Optional, Tuple, Union

from impasto_protocol.errors import ImpastoError, ServerUnreachable, StaleCanvas
from impasto_protocol.messages import TILE_PX, CanvasRef, CanvasRows, CanvasTiles, CloseCanvas, OpenCanvas
from impasto_protocol.rasters import PixelFormat, raster_size, row_size
from impasto_protocol.tiles import changed_tiles, pack_tiles, squeeze_tiles, tile_count

from impasto_client.connection import Connection

if TYPE_CHECKING:
    from impasto_client.session import Session

__all__ = ["BAND_BYTES", "Canvas", "bands"]

BAND_BYTES = 4 << 20  # longest piece of a picture in one message: the server holds a piece and the picture
_SHARED_BYTES = 4 << 20  # up to here, whole rows in shared memory beat finding and packing tiles


class Canvas:
    """A picture the server mirrors. Made by `Session.canvas`. Safe for several threads.

    The sequence in a `CanvasRef` of `update` counts the artist's changes. What goes over the wire has numbers
    of its own, which start again whenever the canvas has to be sent again; `Session.submit` translates.
    """

    def __init__(self, session: "Session", name: str, width: int, height: int, format: PixelFormat) -> None:
        self.name = name
        self.width = width
        self.height = height
        self.format = format
        self._session = session
        self._lock = threading.Lock()  # guards the picture
        self._pixels = bytes(raster_size(width, height, format))
        self._sequence = 0
        # What the server has. Owned by whoever holds the session's upload lock.
        self._mirror: Optional[bytes] = None
        self._mirror_of: Optional[Connection] = None
        self._mirror_sequence = 0
        self._acknowledged = 0
        self._stale = False
        self._problem: Optional[ImpastoError] = None

    def update(self, pixels: Union[bytes, bytearray, memoryview]) -> CanvasRef:
        """Takes the whole picture as it is now and sends what changed.

        Without a connection the picture is kept and sent once there is one. `pixels` is copied unless it is
        bytes. Raises ValueError for another size than the canvas has, and what the server said against the
        canvas.
        """
        picture = pixels if isinstance(pixels, bytes) else bytes(pixels)
        if len(picture) != len(self._pixels):
            raise ValueError(
                f"{len(picture)} bytes are not a {self.width}×{self.height} {self.format.value} picture"
            )
        with self._session.uploading() as connection:
            with self._lock:
                self._pixels = picture
                self._sequence += 1
                ref = CanvasRef(self.name, self._sequence)
            if connection is not None:
                try:
                    self.send(connection, picture)
                except ServerUnreachable:
                    pass  # the session connects again and sends it
        return ref

    def pixels_of(self, ref: CanvasRef) -> bytes:
        """The picture a reference of `update` stands for. Only the newest is kept: raises `StaleCanvas`."""
        with self._lock:
            if ref.sequence != self._sequence:
                raise StaleCanvas("The picture has changed since. Take it as it is now, and try again.")
            return self._pixels

    def acknowledged(self, timeout_s: float = 10.0) -> None:
        """Waits until the server has said that its mirror holds all that was sent. Raises TimeoutError."""
        self._session.wait_until(self._is_acknowledged, timeout_s)

    def read_back(self, timeout_s: float = 10.0) -> bytes:
        """The server's mirror, to compare: what a job would see."""
        return self._session.read_canvas(self, timeout_s)

    def read_into(self, target: memoryview, timeout_s: float = 10.0) -> None:
        """Like `read_back`, into memory the program has: `target` is writable, of the raster's size in bytes
        (ValueError otherwise). Half as long for large pictures, since no new memory is faulted in.
        """
        if target.readonly or target.nbytes != len(self._pixels):
            raise ValueError(f"{target.nbytes} bytes cannot take a picture of {len(self._pixels)}")
        self._session.read_canvas(self, timeout_s, target.cast("B"))

    def close(self) -> None:
        """The server forgets the canvas."""
        self._session.drop_canvas(self)

    # ── for the session ──────────────────────────────────────────────────────────────────────────────────

    def send(self, connection: Connection, picture: bytes) -> CanvasRef:
        """Brings the server's mirror to `picture`; returns the reference the server knows it by.

        Only under the session's upload lock. Raises `ServerUnreachable`, or what the server said against the
        canvas.
        """
        problem, self._problem = self._problem, None
        if problem is not None:
            self._mirror = None
            raise problem
        try:
            if self._mirror is None or self._mirror_of is not connection or self._stale:
                self._send_whole(connection, picture)
            elif self._mirror is not picture:
                self._send_changes(connection, self._mirror, picture)
        except ImpastoError:
            self._mirror = None
            raise
        self._mirror = picture
        return CanvasRef(self.name, self._mirror_sequence)

    def restore(self, connection: Connection) -> None:
        """Sends the picture on a new connection, if there was one. What the server holds against it is raised
        by the next `update`. Only under the session's upload lock; raises `ServerUnreachable`.
        """
        with self._lock:
            picture, untouched = self._pixels, self._sequence == 0
        if not untouched and self._problem is None:
            self.send(connection, picture)

    def heard_ack(self, sequence: int) -> None:
        self._acknowledged = sequence

    def heard_stale(self) -> None:
        self._stale = True

    def heard_problem(self, problem: ImpastoError) -> None:
        self._stale = True
        if not isinstance(problem, StaleCanvas):
            self._problem = problem

    def said_goodbye(self) -> CloseCanvas:
        self._mirror = None
        return CloseCanvas(self.name)

    def _is_acknowledged(self) -> bool:
        if self._problem is not None:
            raise self._problem
        return not self._stale and self._mirror is not None and self._acknowledged == self._mirror_sequence

    def _send_whole(self, connection: Connection, picture: bytes) -> None:
        self._stale = False
        self._acknowledged = 0
        self._mirror_of = connection
        self._mirror_sequence = 0
        connection.send(OpenCanvas(self.name, self.width, self.height, self.format))
        self._send_rows(connection, picture, 0, self.height)

    def _send_changes(self, connection: Connection, old: bytes, new: bytes) -> None:
        if connection.shares_memory:
            runs = _changed_rows(old, new, self.width, self.height, self.format)
            changed = sum(end - start for start, end in runs) * row_size(self.width, self.format)
            if changed <= _SHARED_BYTES:
                for start, end in runs:
                    self._send_rows(connection, new, start, end)
                return
        tiles = changed_tiles(old, new, self.width, self.height, self.format)
        if not tiles:
            return
        if len(tiles) * TILE_PX * row_size(TILE_PX, self.format) > BAND_BYTES or 2 * len(tiles) > tile_count(
            self.width, self.height
        ):
            columns = -(-self.width // TILE_PX)
            first, last = tiles[0] // columns * TILE_PX, (tiles[-1] // columns + 1) * TILE_PX
            self._send_rows(connection, new, first, min(last, self.height))
            return
        data = pack_tiles(old, new, tiles, self.width, self.height, self.format)
        encoding, packed = ("raw", data) if connection.address.same_machine else squeeze_tiles(data)
        self._mirror_sequence += 1
        connection.send(CanvasTiles(self.name, self._mirror_sequence, tuple(tiles), encoding, packed))

    def _send_rows(self, connection: Connection, picture: bytes, first: int, end: int) -> None:
        view, row = memoryview(picture), row_size(self.width, self.format)
        for y, height in bands(first, end, row):
            pixels = connection.pixels(view[y * row : (y + height) * row], self.width, height, self.format)
            self._mirror_sequence += 1
            connection.send(CanvasRows(self.name, self._mirror_sequence, y, pixels))


def bands(first: int, end: int, row_bytes: int) -> Iterator[Tuple[int, int]]:
    """(first row, rows) of pieces of at most `BAND_BYTES`, top to bottom."""
    step = max(1, BAND_BYTES // max(1, row_bytes))
    for y in range(first, end, step):
        yield y, min(step, end - y)


def _changed_rows(
    old: bytes, new: bytes, width: int, height: int, format: PixelFormat
) -> List[Tuple[int, int]]:
    """Runs (first, end) of rows that differ, at least `TILE_PX` rows apart."""
    row, view = row_size(width, format), memoryview(old)
    runs: List[Tuple[int, int]] = []
    for y in range(0, height, TILE_PX):
        end = min(y + TILE_PX, height)
        if new.startswith(view[y * row : end * row], y * row):
            continue
        if runs and runs[-1][1] == y:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((y, end))

    def same(y: int) -> bool:
        return new.startswith(view[y * row : (y + 1) * row], y * row)

    return [
        (
            next(y for y in range(first, end) if not same(y)),
            next(y for y in range(end, first, -1) if not same(y - 1)),
        )
        for first, end in runs
    ]
