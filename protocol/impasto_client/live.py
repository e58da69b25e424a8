"""Live sessions: what is on the canvases goes out, previews of it come in.

Both ways the newest wins. Of several pictures shown while one is being sent, only the last follows it; and
the server sends a preview only when the one before has been seen, which is when `on_preview` has returned.
"""

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Dict, Mapping, Optional, Union

from impasto_protocol.errors import ImpastoError, MalformedFrame, ServerUnreachable, UnknownMessage, from_code
from impasto_protocol.messages import (
    LiveInput,
    LivePreview,
    LiveRequest,
    LiveSeen,
    LiveStatus,
    LiveTiles,
    Problem,
    StartLive,
    StopLive,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_protocol.tiles import apply_tiles, inflate_tiles, tiles_size

from impasto_client.canvas import Canvas
from impasto_client.connection import Connection

if TYPE_CHECKING:
    from impasto_client.session import Session

__all__ = ["Live", "OnPreview", "OnProblem", "OnStatus", "Preview"]

_NO_LIVE = "This server paints no live previews. Bring Impasto up to date where it runs, then start it again."
_BROKEN = "The server sent a preview that cannot be read. Bring both sides up to date."


@dataclass(frozen=True)
class Preview:
    """One frame of a live session: sRGB, 8 bits, in `pixels` or, where it was asked for, in `jpeg`."""

    number: int  # rising
    input: int  # the number `Live.show` or `Live.change` returned, or a later one of which this is a frame
    sequence: int  # of the picture's canvas as the server counts it
    width: int
    height: int
    pixels: bytes  # RGB8, rows top to bottom; empty when there is a `jpeg`
    jpeg: Optional[bytes] = None
    refined: bool = False  # painted in more steps, after the canvas had come to rest
    stages: Mapping[str, float] = field(default_factory=dict)  # ms by name, in order
    wasted_steps: int = 0  # of frames given up for newer input since the preview before


OnPreview = Callable[[Preview], None]
OnStatus = Callable[[str], None]
OnProblem = Callable[[ImpastoError], None]


class Live:
    """A live session, made by `Session.live`. Without a connection it goes on as soon as there is one.

    Threads. `change`, `show` and `close` may be called from any thread but those of the callbacks, where only
    `close` may. `on_preview` and `on_status` ("loading", "ready") are called on the connection's thread:
    while `on_preview` runs no other preview comes, so it should hand the picture on and return. `on_problem`
    is called there or on the thread that reconnects; the session is over then, until `change`.
    """

    def __init__(
        self,
        session: "Session",
        name: str,
        on_preview: OnPreview,
        on_status: OnStatus,
        on_problem: OnProblem,
    ) -> None:
        self.name = name
        self._session = session
        self._on_preview = on_preview
        self._on_status = on_status
        self._on_problem = on_problem
        self._lock = threading.Lock()  # guards all below
        self._request: Optional[LiveRequest] = None
        self._number = 0  # of the newest input
        self._pending = False  # whether it has not been sent
        self._pictures: Dict[Canvas, Union[bytes, bytearray, memoryview]] = {}  # that go with it
        self._over = False
        self._closed = False
        self.behind = False  # the server has lost a canvas, and with it an input perhaps
        # What the server has been told. Owned by whoever holds the session's upload lock.
        self._connection: Optional[Connection] = None
        self._told: Optional[LiveRequest] = None
        self._shown = 0  # the input whose pictures the canvases hold; 0: none has come yet
        # Owned by the connection's thread.
        self._last = 0  # number of the last preview
        self._pixels = b""

    def change(self, request: LiveRequest) -> int:
        """Begins the session, or goes on with another request; what is on the canvases is painted once more.
        Returns the number of that input. `request` names canvases by their `Canvas.name`.

        Raises `UnknownMessage` when the server has no live previews.
        """
        with self._lock:
            self._request, self._told, self._over = request, None, False
        return self._send({})

    def show(self, pictures: Mapping[Canvas, Union[bytes, bytearray, memoryview]]) -> int:
        """Takes these canvases' pictures as they are now, sends what changed and has it painted. Returns the
        number of this input. Blocks only while sending; the pictures are looked at until it returns.

        Raises ValueError for a picture of another size than its canvas, and what the server said against a
        canvas.
        """
        for canvas, pixels in pictures.items():
            if memoryview(pixels).nbytes != raster_size(canvas.width, canvas.height, canvas.format):
                raise ValueError(f"a picture of {memoryview(pixels).nbytes} bytes does not fit its canvas")
        return self._send(pictures)

    def close(self) -> None:
        """Ends the session; its canvases stay open. Idempotent. A callback may be running yet."""
        self._closed = True
        self._session.drop_live(self)
        connection = self._connection
        if connection is not None:
            with contextlib.suppress(ServerUnreachable):
                connection.post(StopLive(self.name))

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, pictures: Mapping[Canvas, Union[bytes, bytearray, memoryview]]) -> int:
        with self._lock:
            self._number += 1
            number = self._number
            self._pending = True
            self._pictures.update(pictures)
        with self._session.uploading() as connection:
            with self._lock:
                pending, self._pending = self._pending, False
                newest, waiting, self._pictures = self._number, self._pictures, {}
            if not pending:
                return number  # it went with the input of another thread, which had the lock first
            for canvas, pixels in waiting.items():
                canvas.update(pixels)
            if waiting or self._shown:
                self._shown = newest
            if connection is not None:
                with contextlib.suppress(ServerUnreachable):  # said again after reconnecting
                    self._tell(connection)
        return number

    def lost_canvas(self, name: str) -> None:
        """The server wants this canvas again. On the connection's thread, which must not send pictures."""
        request = self._request
        if request is not None and not self._over:
            controls = [control.canvas for control in request.controls]
            self.behind = name in (request.canvas, request.mask, *controls)

    def catch_up(self) -> None:
        """The canvases have been sent again: what is on them is painted once more."""
        self.behind = False
        self._send({})

    def restore(self, connection: Connection) -> None:
        """Begins again on a new connection, which has the canvases. Only under the session's upload lock;
        raises `ServerUnreachable`."""
        try:
            self._tell(connection)
        except UnknownMessage as error:
            self._end(error)

    def _tell(self, connection: Connection) -> None:
        """Sends the request, if it is news there, and the input. Only under the session's upload lock."""
        with self._lock:
            request = None if self._over or self._closed else self._request
        if request is None:
            return
        if self._connection is not connection or self._told is not request:
            if "live" not in connection.welcome.capabilities:
                raise UnknownMessage(_NO_LIVE)
            self._connection, self._told = connection, request
            connection.send(StartLive(self.name, request))
        if self._shown:
            connection.send(LiveInput(self.name, self._shown))

    # ── in, on the connection's thread ───────────────────────────────────────────────────────────────────

    def heard(self, message: Union[LiveStatus, LivePreview, Problem]) -> None:
        """Raises `MalformedFrame` for a preview that cannot be read."""
        if isinstance(message, Problem):
            self._end(from_code(message.code, message.sentence))
            return
        self._over = False  # a problem of the request before this one may have come after `change`
        if isinstance(message, LiveStatus):
            self._on_status(message.stage)
        else:
            self._on_preview(self._taken(message))
            if self._connection is not None:
                self._connection.post(LiveSeen(self.name, message.number))

    def _end(self, error: ImpastoError) -> None:
        self._over = True
        self._on_problem(error)

    def _taken(self, message: LivePreview) -> Preview:
        """The preview with pixels of its own."""
        jpeg = None
        if message.jpeg is not None:
            jpeg, self._pixels = bytes(message.jpeg), b""
        elif message.tiles is not None:
            self._pixels = self._patched(message, message.tiles)
        elif message.pixels is not None and message.pixels.data is not None:
            self._pixels = message.pixels.data
        if jpeg is None and len(self._pixels) != raster_size(message.width, message.height, PixelFormat.RGB8):
            raise MalformedFrame(_BROKEN)
        self._last = message.number
        return Preview(
            message.number,
            message.input,
            message.sequence,
            message.width,
            message.height,
            self._pixels,
            jpeg,
            message.refined,
            message.stages,
            message.wasted_steps,
        )

    def _patched(self, message: LivePreview, change: LiveTiles) -> bytes:
        shape = (message.width, message.height, PixelFormat.RGB8)
        if change.base != self._last or len(self._pixels) != raster_size(*shape):
            raise MalformedFrame(_BROKEN)
        mirror = bytearray(self._pixels)
        data = inflate_tiles(change.encoding, change.data, tiles_size(change.tiles, *shape))
        apply_tiles(mirror, change.tiles, data, *shape)
        return bytes(mirror)
