"""A small real server for the client's tests: wsproto on threads, canvases mirrored, jobs by script.

`ScriptedServer.on` maps a message type to what is done with it instead of the default; a handler gets the
`Talk` and the message.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto_client.discovery import ServerAddress
from impasto_protocol.codec import decode_client, encode
from impasto_protocol.messages import (
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    CloseCanvas,
    FetchLayer,
    GenerateRequest,
    Hello,
    JobChanged,
    LayerInfo,
    LayerPixels,
    Limits,
    ListModels,
    LiveInput,
    LivePreview,
    LiveRequest,
    LiveStatus,
    ModelInfo,
    ModelList,
    OpenCanvas,
    Pixels,
    ReadCanvas,
    Recipe,
    Release,
    ServerMessage,
    StartLive,
    Submit,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, raster_size, row_size
from impasto_protocol.shared_memory import SegmentPool, SharedFolder
from impasto_protocol.tiles import apply_tiles, inflate_tiles, tiles_size
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
)

TOKEN = "5" * 64
LIMITS = Limits(128 << 20, 16384, 16, 1 << 30, 100, 16, 150)
MODEL = ModelInfo("pocket", "Pocket", "sd15", 256, 20, 3.0, ("text", "image", "mask"))


@dataclass
class Mirror:
    width: int
    height: int
    format: PixelFormat
    pixels: bytearray
    sequence: int = 0
    stale: bool = False


class Talk:
    """One connection as the server has it."""

    def __init__(self, server: ScriptedServer, connection: socket.socket) -> None:
        self.server = server
        self.socket = connection
        self.hello: Hello | None = None
        self.canvases: dict[str, Mirror] = {}
        self.lives: dict[str, LiveRequest] = {}
        self.previews = 0
        self.pool: SegmentPool | None = None
        self._websocket = WSConnection(ConnectionType.SERVER)
        self._partial = bytearray()

    def run(self) -> None:
        try:
            while True:
                data = self.socket.recv(1 << 20)
                if not data:
                    return
                self._websocket.receive_data(data)
                for event in self._websocket.events():
                    self._event(event)
        except OSError:
            pass  # the test has killed the connection
        finally:
            self.cut()
            if self.pool is not None:
                self.pool.close()

    def send(self, message: ServerMessage) -> None:
        self.send_raw(self.frame(message))

    def frame(self, message: ServerMessage) -> bytes:
        return self._websocket.send(BytesMessage(data=encode(message)))

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def cut(self) -> None:
        """Ends the connection without a word."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def pixels(self, data: bytes, width: int, height: int, format: PixelFormat) -> Pixels:
        shared = self.pool.lend(data) if self.pool is not None else None
        return Pixels(width, height, format, None if shared else data, shared)

    def _event(self, event: Any) -> None:
        if isinstance(event, Request):
            headers = {name.lower(): value for name, value in event.extra_headers}
            if headers.get(b"authorization") != b"Bearer " + self.server.token.encode():
                self.socket.sendall(self._websocket.send(RejectConnection(status_code=401)))
                self.cut()
                return
            self.socket.sendall(self._websocket.send(AcceptConnection()))
        elif isinstance(event, Ping):
            self.socket.sendall(self._websocket.send(event.response()))
        elif isinstance(event, CloseConnection):
            self.server.goodbyes += 1
            self.socket.sendall(self._websocket.send(event.response()))
            self.cut()
        elif isinstance(event, BytesMessage):
            self._partial += event.data
            if event.message_finished:
                frame, self._partial = bytes(self._partial), bytearray()
                self._message(decode_client(frame))

    def _message(self, message: Any) -> None:
        with self.server.changed:
            self.server.heard.append(message)
            self.server.changed.notify_all()
        handler = self.server.on.get(type(message)) or _DEFAULTS.get(type(message))
        if handler is not None:
            handler(self, message)


@dataclass
class ScriptedServer:
    """Listens on loopback until `close`. All that clients said is in `heard`, oldest first."""

    token: str = TOKEN
    shared_folder: Path | None = None
    capabilities: tuple[str, ...] = ("generate", "live")
    on: dict[type, Callable[[Talk, Any], None]] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    layers: dict[str, Mirror] = field(default_factory=dict)  # of finished jobs: what they were asked to show
    events: int = 0
    goodbyes: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def address(self) -> ServerAddress:
        return ServerAddress("127.0.0.1", self.port, self.token, pid=1)

    def of(self, kind: type) -> list[Any]:
        with self.changed:
            return [message for message in self.heard if isinstance(message, kind)]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), "the client did not do it"

    def next_event(self) -> int:
        self.events += 1
        return self.events

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for talk in self.talks:
            talk.cut()
        for thread in [self._accepting, *self._threads]:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = Talk(self, connection)
            self.talks.append(talk)
            thread = threading.Thread(target=talk.run, daemon=True)
            self._threads.append(thread)
            thread.start()


# ── what a well-behaved server does ──────────────────────────────────────────────────────────────────────


def welcome(talk: Talk, hello: Hello) -> None:
    talk.hello = hello
    offer = None
    if talk.server.shared_folder is not None and hello.shared_memory:
        talk.pool = SegmentPool(talk.server.shared_folder)
        offer = talk.pool.offer()
    talk.send(Welcome(1, "0.1.0", LIMITS, talk.server.capabilities, talk.server.events, offer))


def open_canvas(talk: Talk, message: OpenCanvas) -> None:
    size = raster_size(message.width, message.height, message.format)
    talk.canvases[message.canvas] = Mirror(message.width, message.height, message.format, bytearray(size))


def rows(talk: Talk, message: CanvasRows) -> None:
    mirror = follow(talk, message.canvas, message.sequence)
    if mirror is None:
        return
    start = message.y * row_size(mirror.width, mirror.format)
    data = message.pixels.data
    if message.pixels.shared is not None:
        assert talk.server.shared_folder is not None
        data = SharedFolder(talk.server.shared_folder).copy_out(message.pixels.shared)
        talk.send(Release(message.pixels.shared.name))
    assert data is not None
    mirror.pixels[start : start + len(data)] = data
    talk.send(CanvasAck(message.canvas, message.sequence))


def tiles(talk: Talk, message: CanvasTiles) -> None:
    mirror = follow(talk, message.canvas, message.sequence)
    if mirror is None:
        return
    shape = (mirror.width, mirror.height, mirror.format)
    data = inflate_tiles(message.encoding, message.data, tiles_size(message.tiles, *shape))
    apply_tiles(mirror.pixels, message.tiles, data, *shape)
    talk.send(CanvasAck(message.canvas, message.sequence))


def follow(talk: Talk, canvas: str, sequence: int) -> Mirror | None:
    mirror = talk.canvases[canvas]
    if mirror.stale:
        return None
    if sequence != mirror.sequence + 1:
        mirror.stale = True
        talk.send(CanvasStale(canvas, mirror.sequence))
        return None
    mirror.sequence = sequence
    return mirror


def read_canvas(talk: Talk, message: ReadCanvas) -> None:
    mirror = talk.canvases[message.canvas]
    row = row_size(mirror.width, mirror.format)
    data = bytes(mirror.pixels[message.y * row : (message.y + message.height) * row])
    pixels = talk.pixels(data, mirror.width, message.height, mirror.format)
    talk.send(CanvasPixels(message.request, message.canvas, mirror.sequence, message.y, pixels))


def finish(talk: Talk, message: Submit) -> None:
    """Done at once: the layer is the image, or eight grey pixels."""
    ref = message.generate.image
    layer = Mirror(4, 2, PixelFormat.GRAY8, bytearray(b"\x80" * 8))
    if isinstance(ref, CanvasRef):
        mirror = talk.canvases[ref.canvas]
        assert ref.sequence == mirror.sequence
        layer = Mirror(mirror.width, mirror.height, mirror.format, mirror.pixels[:])
    talk.server.layers[message.job] = layer
    talk.send(JobChanged(talk.server.next_event(), message.job, "queued"))
    recipe = Recipe(GenerateRequest("x"), "DDIMScheduler", "0" * 64)
    info = LayerInfo("take 1", 0, 0, layer.width, layer.height, layer.format, recipe)
    talk.send(JobChanged(talk.server.next_event(), message.job, "done", (info,)))


def start_live(talk: Talk, message: StartLive) -> None:
    talk.lives[message.live] = message.request
    talk.send(LiveStatus(message.live, "ready"))


def paint_live(talk: Talk, message: LiveInput) -> None:
    """A preview at once: the rgb8 canvas, inverted."""
    mirror = talk.canvases[talk.lives[message.live].canvas]
    painted = bytes(255 - byte for byte in mirror.pixels)
    pixels = talk.pixels(painted, mirror.width, mirror.height, PixelFormat.RGB8)
    talk.send(live_preview(talk, message, pixels=pixels))


def live_preview(talk: Talk, message: LiveInput, **what: Any) -> LivePreview:
    """The next preview of that input, without its picture."""
    mirror = talk.canvases[talk.lives[message.live].canvas]
    talk.previews += 1
    shape = (mirror.width, mirror.height)
    return LivePreview(message.live, talk.previews, message.number, mirror.sequence, *shape, **what)


def layer_pixels(talk: Talk, message: FetchLayer) -> None:
    layer = talk.server.layers[message.job]
    row = row_size(layer.width, layer.format)
    part = bytes(layer.pixels[message.y * row : (message.y + message.height) * row])
    pixels = talk.pixels(part, layer.width, message.height, layer.format)
    talk.send(LayerPixels(message.request, message.y, pixels))


_DEFAULTS: dict[type, Callable[[Talk, Any], None]] = {
    Hello: welcome,
    OpenCanvas: open_canvas,
    CloseCanvas: lambda talk, message: talk.canvases.pop(message.canvas, None) and None,
    CanvasRows: rows,
    CanvasTiles: tiles,
    ReadCanvas: read_canvas,
    Submit: finish,
    FetchLayer: layer_pixels,
    StartLive: start_live,
    LiveInput: paint_live,
    ListModels: lambda talk, message: talk.send(ModelList(message.request, (MODEL,))),
    Release: lambda talk, message: talk.pool.release(message.name) and None if talk.pool else None,
}
