"""One connection to the server: a blocking socket, read on a plain daemon thread.

Threads. `Connection.open` blocks the caller through connecting, upgrade and `Welcome`. From then on
`on_message` and, once, `on_closed` are called on the connection's own thread: they must be quick, and may
call `send` only for short messages. `send` and `close` may be called from any thread. No asyncio: its loop is
jittery on a thread of Krita's, and Blender has none.
"""

import socket
import threading
import time
from collections import deque
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, Deque, List, Optional, Tuple, Union, cast

from impasto_protocol.errors import (
    ImpastoError,
    MalformedFrame,
    ServerUnreachable,
    VersionUnsupported,
    from_code,
)
from impasto_protocol.messages import (
    PROTOCOL_VERSION,
    CanvasPixels,
    ClientMessage,
    Hello,
    InputPixels,
    JobProgress,
    LayerPixels,
    LivePreview,
    Pixels,
    Problem,
    Release,
    ServerMessage,
    ThumbnailPixels,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_protocol.shared_memory import SegmentPool, SharedFolder

from impasto_client.discovery import ServerAddress
from impasto_client.wire import Wire

__all__ = ["Connection"]

CONNECT_S = 5.0  # to connect, upgrade and be welcomed
TICK_S = 0.5  # how often a quiet connection is looked after
PING_AFTER_S = 5.0  # of silence
SILENCE_S = 15.0  # without one byte: the server is gone, or hangs
SEND_S = 30.0  # for one message to be taken by the kernel
_GOODBYE_S = 1.0  # a message that takes longer to be sent is cut short by `close`
_BUFFER_BYTES = 4 << 20  # of the socket, each way: a 1024² picture in one go

OnMessage = Callable[[ServerMessage], None]
OnClosed = Callable[["Connection", ImpastoError], None]
# (request, bytes, function that writes them) → where they were written, or None where nobody waits for them.
Land = Callable[[int, int, Callable[[memoryview], None]], Optional[memoryview]]


class Connection:
    """Open from `open` until `close` or the first error, which `on_closed` is told."""

    def __init__(self, address: ServerAddress, hello: Hello) -> None:
        self.address = address
        self._hello = hello
        self._wire = Wire(address.host, address.port, address.token)
        self._sending = threading.Lock()
        self._owed: Deque[bytes] = deque()  # short frames of the connection's thread, which must not wait
        self._ended = False
        self._closing = False
        self._reader, self._writer = _connect(address)
        self._thread: Optional[threading.Thread] = None
        self._incoming: Optional[SharedFolder] = None
        self._outgoing: Optional[SegmentPool] = None
        self._early: Deque[ServerMessage] = deque()  # came in one piece with Welcome
        self.welcome: Welcome

    @classmethod
    def open(
        cls, address: ServerAddress, hello: Hello, on_message: OnMessage, on_closed: OnClosed, land: Land
    ) -> "Connection":
        """Connects and introduces the program.

        `land` takes the pixels of an answer before `on_message` gets it. `on_closed` is called once when the
        connection has ended, also after `close`. Raises `ServerUnreachable`, `Unauthorized`,
        `VersionUnsupported`, or what the server's `Problem` says.
        """
        connection = cls(address, hello)
        try:
            connection.welcome = connection._introduce()
        except ImpastoError:
            connection._release()
            raise
        except OSError as error:
            connection._release()
            raise ServerUnreachable("The server does not answer. Wait a moment and try again.") from error
        connection._set_up_sharing()
        connection._thread = threading.Thread(
            target=connection._run, args=(on_message, on_closed, land), name="impasto-connection", daemon=True
        )
        connection._thread.start()
        return connection

    @property
    def ended(self) -> bool:
        """Whether its thread has ended, or is about to call `on_closed`."""
        return self._ended

    @property
    def shares_memory(self) -> bool:
        return self._outgoing is not None

    def send(self, message: ClientMessage) -> None:
        """Sends one message; returns when the kernel has taken it. Raises `ServerUnreachable`."""
        frame = self._wire.frame(message)
        with self._sending:
            self._send_all(frame)
            self._pay()

    def post(self, message: ClientMessage) -> None:
        """Sends a short message without ever waiting for another thread's long one."""
        self._owed.append(self._wire.frame(message))
        self._pay_if_free()

    def pixels(self, data: Union[bytes, memoryview], width: int, height: int, format: PixelFormat) -> Pixels:
        """A raster for a message: in shared memory when the server shares some and a segment is free."""
        shared = self._outgoing.lend(data) if self._outgoing is not None else None
        if shared is not None:
            return Pixels(width, height, format, shared=shared)
        return Pixels(width, height, format, data=cast(bytes, data))

    def close(self) -> None:
        """Says goodbye and waits until the thread has ended (not when called on it). Idempotent."""
        if self._sending.acquire(timeout=_GOODBYE_S):
            try:
                self._pay()
                self._closing = True
                self._writer.sendall(self._wire.closing())
            except (OSError, ServerUnreachable):
                pass  # it has ended already
            finally:
                self._sending.release()
        self._closing = True
        # A socket that is shut with bytes unread resets the connection, and the server then loses what it has
        # not read yet, a cancel say. So the server hangs up first: it has read all when it answers.
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_GOODBYE_S)
        self._shut()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CONNECT_S)

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────

    def _introduce(self) -> Welcome:
        self._writer.sendall(self._wire.opening())
        deadline = time.monotonic() + CONNECT_S
        greeted = False
        while True:
            for message in self._read() or ():
                if isinstance(message, Problem):
                    raise from_code(message.code, message.sentence)
                self._early.append(message)
            if self._early:
                welcome = self._early.popleft()
                if not isinstance(welcome, Welcome):
                    raise MalformedFrame("The server did not introduce itself. Bring both sides up to date.")
                if not 1 <= welcome.protocol <= PROTOCOL_VERSION:
                    raise VersionUnsupported("The server speaks a newer language. Update this program.")
                return welcome
            if self._wire.open and not greeted:
                greeted = True
                self._writer.sendall(self._wire.frame(self._hello))
            if self._wire.closed or time.monotonic() > deadline:
                raise ServerUnreachable("The server does not answer. Wait a moment and try again.")

    def _set_up_sharing(self) -> None:
        offer = self.welcome.shared
        if offer is None or not self._hello.shared_memory:
            return
        folder = SharedFolder(Path(offer.folder))
        if folder.accepts(offer):
            self._incoming = folder
            self._outgoing = SegmentPool(folder.folder)
            self.post(Release(offer.probe))  # shows the server that its probe was read

    # ── the connection's thread ──────────────────────────────────────────────────────────────────────────

    def _run(self, on_message: OnMessage, on_closed: OnClosed, land: Land) -> None:
        reason: ImpastoError = ServerUnreachable("The connection was closed.")
        try:
            while self._early:
                self._deliver(self._early.popleft(), on_message, land)
            self._listen(on_message, land)
        except ImpastoError as error:
            reason = error
        except OSError as error:
            reason = ServerUnreachable(f"The connection to the server broke ({error.strerror or error}).")
        finally:
            self._ended = True
            self._shut()
            self._release()
            on_closed(self, reason)

    def _listen(self, on_message: OnMessage, land: Land) -> None:
        heard = time.monotonic()
        pinged = False
        while not self._wire.closed:
            messages = self._read()
            now = time.monotonic()
            if messages is None:
                if now - heard > SILENCE_S:
                    raise ServerUnreachable("The server has stopped answering. Wait, or start it again.")
                if now - heard > PING_AFTER_S and not pinged:
                    self._owed.append(self._wire.ping())
                    pinged = True
                self._pay_if_free()
                continue
            heard, pinged = now, False
            due = self._wire.due()
            if due:
                self._owed.append(due)
                self._pay_if_free()
            for message in messages:
                self._deliver(message, on_message, land)

    def _deliver(self, message: ServerMessage, on_message: OnMessage, land: Land) -> None:
        if isinstance(message, Release):
            if self._outgoing is not None:
                self._outgoing.release(message.name)
            return
        pixels: Optional[Pixels] = None
        if isinstance(message, (CanvasPixels, LayerPixels, ThumbnailPixels, InputPixels)):
            pixels = message.pixels
            message = replace(message, pixels=self._taken(pixels, partial(land, message.request)))
        elif isinstance(message, JobProgress) and message.preview is not None:
            pixels = message.preview
            message = replace(message, preview=self._taken(pixels, _nowhere))
        elif isinstance(message, LivePreview) and message.pixels is not None:
            pixels = message.pixels
            message = replace(message, pixels=self._taken(pixels, _nowhere))
        on_message(message)
        if pixels is not None and pixels.shared is not None:  # after the program has been woken
            self.post(Release(pixels.shared.name))

    def _taken(
        self, pixels: Pixels, land: Callable[[int, Callable[[memoryview], None]], Optional[memoryview]]
    ) -> Pixels:
        """The pixels in memory of the program's own, out of shared memory or the wire's buffer."""
        shared, data = pixels.shared, pixels.data
        if shared is None:
            if data is None:
                raise MalformedFrame("The server sent a picture without pixels.")
            landed = land(len(data), partial(_copy, data))
            return replace(pixels, data=cast(bytes, landed) if landed is not None else bytes(data))
        if self._incoming is None:
            raise MalformedFrame("The server shared memory that was not agreed on.")
        if shared.size != raster_size(pixels.width, pixels.height, pixels.format):
            raise MalformedFrame("The server shared a picture of the wrong size.")
        landed = land(shared.size, partial(self._incoming.read_into, shared))
        taken = cast(bytes, landed) if landed is not None else self._incoming.copy_out(shared)
        return replace(pixels, data=taken, shared=None)

    # ── the socket ───────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> Optional[List[ServerMessage]]:
        """What came; None after a tick of silence."""
        try:
            count = self._reader.recv_into(self._wire.space())
        except socket.timeout:  # not yet TimeoutError in Python 3.8 and 3.9
            return None
        return self._wire.received(count)

    def _send_all(self, frame: bytes) -> None:
        if self._ended or self._closing:
            raise ServerUnreachable("The connection to the server is closed.")
        try:
            self._writer.sendall(frame)
        except OSError as error:
            self._shut()  # half a frame may be out: nothing can follow it
            raise ServerUnreachable("The connection to the server broke while sending.") from error

    def _pay(self) -> None:
        while self._owed:
            self._send_all(self._owed.popleft())

    def _pay_if_free(self) -> None:
        """Sends what is owed, unless another thread is sending: that does it when done, or the next tick."""
        if self._sending.acquire(blocking=False):
            try:
                self._pay()
            finally:
                self._sending.release()

    def _shut(self) -> None:
        """Ends the connection now; wakes the thread out of its read."""
        try:
            self._reader.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not connected any more

    def _release(self) -> None:
        self._reader.close()
        with self._sending:  # who was sending has failed by now: the connection is shut
            self._writer.close()
        if self._outgoing is not None:
            self._outgoing.close()


def _copy(source: Union[bytes, memoryview], target: memoryview) -> None:
    target[:] = source


def _nowhere(size: int, fill: Callable[[memoryview], None]) -> None:
    """For pixels nobody has asked for."""


def _connect(address: ServerAddress) -> Tuple[socket.socket, socket.socket]:
    """(for reading, for writing): one connection, two timeouts."""
    try:
        reader = socket.create_connection((address.host, address.port), CONNECT_S)
    except OSError as error:
        raise ServerUnreachable("The server cannot be reached. Start it with “impasto serve”.") from error
    reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        reader.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    writer = reader.dup()
    reader.settimeout(TICK_S)
    writer.settimeout(SEND_S)
    return reader, writer
