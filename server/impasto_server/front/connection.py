"""One client's connection, from Hello to its end.

`_handlers` below is the one place where message types meet what they do, in `canvas_messages.py`,
`job_messages.py` and `live.py`. Messages are read one at a time. What touches only this connection is done at
once; what needs the job desk goes through `lane.py`.

Errors with something to answer become a `Problem` that names it, and the connection goes on. A frame that
cannot be read, or comes too fast, ends the connection after one last `Problem`. Whatever happens here, jobs
go on: they belong to the client, not to the connection. Canvases and live sessions end with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from impasto_protocol.errors import (
    BadValue,
    FrameTooLarge,
    ImpastoError,
    InternalError,
    MalformedFrame,
    UnknownMessage,
    VersionUnsupported,
)
from impasto_protocol.messages import (
    PROTOCOL_VERSION,
    Annotate,
    Cancel,
    CanvasRows,
    CanvasTiles,
    ClientMessage,
    CloseCanvas,
    FetchInput,
    FetchLayer,
    FetchThumbnail,
    Forget,
    Hello,
    Limits,
    ListJobs,
    ListModels,
    LiveInput,
    LiveSeen,
    OpenCanvas,
    Problem,
    ReadCanvas,
    Release,
    StartLive,
    StopLive,
    Submit,
    Welcome,
)

from impasto_server.controls import KINDS
from impasto_server.front import typed_codec
from impasto_server.front.canvas_messages import CanvasMessages
from impasto_server.front.canvases import Canvases
from impasto_server.front.job_messages import Desk, JobMessages, Subscription
from impasto_server.front.lane import Lane, Work
from impasto_server.front.live import LiveMessages
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.outbox import Outbox
from impasto_server.front.pace import Pace
from impasto_server.front.sending import Sender
from impasto_server.front.sharing import Sharing
from impasto_server.front.wire import WebSocketWire

__all__ = ["Connection", "Services"]

HELLO_S = 2.0
HELLO_BYTES = 4096
PING_AFTER_S = 8.0  # of silence
SILENCE_S = 20.0  # without one whole message or pong while the server listens: the client has stalled
WATCH_S = 4.0
LAST_WORDS_S = 1.0
YIELD_S = 0.002  # a reader with work gives way to the others this often
CAPABILITIES = ("generate", "image", "mask", "control", "lora", "upscale", "live", "texture")

_CLIENT = re.compile(r"[0-9a-f]{32}")
_NAME_LENGTH = 80  # characters of a client's name that reach the log

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What all connections of a server share."""

    desk: Desk
    live: LiveDesk
    limits: Limits
    version: str
    shared_folder: Path | None  # None: no shared memory
    started: set[asyncio.Task[Any]] = field(default_factory=set)  # changes of the journal, under way


Handler = Callable[[Any], Awaitable[None]]


class Connection:
    def __init__(self, services: Services, socket: web.WebSocketResponse, wire: WebSocketWire) -> None:
        self._services = services
        self._socket = socket
        self._wire = wire
        self._name = "somebody"
        self._outbox = Outbox(wire, self._give_up)
        self._sender = Sender(self._outbox, services.limits)
        self._lane = Lane(self._guarded, self._spawn)
        self._live: LiveMessages | None = None
        self._handlers: Mapping[type[ClientMessage], Handler] = {}  # until the client is known
        self._subscription: Subscription | None = None
        self._pace = Pace()
        self._reading_since: float | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _handlers_for(
        self, client: str, live: LiveMessages, canvases: Canvases
    ) -> dict[type[ClientMessage], Handler]:
        limits, sender = self._services.limits, self._sender
        pictures = CanvasMessages(canvases, limits, sender)
        jobs = JobMessages(self._services.desk, client, canvases, self._lane, sender, self._services.started)
        return {
            OpenCanvas: pictures.open,
            CanvasRows: pictures.rows,
            CanvasTiles: pictures.tiles,
            CloseCanvas: pictures.close,
            ReadCanvas: pictures.read,
            Release: pictures.release,
            Submit: jobs.submit,
            Annotate: jobs.annotate,
            Cancel: jobs.cancel,
            Forget: jobs.forget,
            FetchLayer: jobs.fetch_layer,
            FetchThumbnail: jobs.fetch_thumbnail,
            FetchInput: jobs.fetch_input,
            ListJobs: jobs.list_jobs,
            ListModels: jobs.list_models,
            StartLive: live.start,
            LiveInput: live.input,
            LiveSeen: live.seen,
            StopLive: live.stop,
        }

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Serves the client until one side ends the connection. Raises only CancelledError."""
        self._spawn(self._outbox.run())
        self._spawn(self._watch())
        try:
            await self._welcome(await self._hello())
            self._spawn(self._lane.run())
            await self._read()
        except ImpastoError as error:
            await self._last_words(error)
        except ConnectionError:
            pass
        finally:
            self._end()

    async def close(self) -> None:
        """Says goodbye: the server stops."""
        with suppress(ConnectionError):
            await self._socket.close(code=WSCloseCode.GOING_AWAY)

    def _end(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        for task in self._tasks:
            task.cancel()
        self._outbox.close()
        if self._live is not None:
            self._live.close()
        if self._sender.sharing is not None:
            self._sender.sharing.close()
        log.info("%s left", self._name)

    def _give_up(self, reason: str) -> None:
        log.warning("Closing the connection of %s: %s", self._name, reason)
        self._wire.abort()

    async def _last_words(self, error: ImpastoError) -> None:
        log.warning("Closing the connection of %s: %s", self._name, error.code)
        self._sender.send(Problem(error.code, error.sentence))
        with suppress(asyncio.TimeoutError, ConnectionError):
            await asyncio.wait_for(self._outbox.drained(), LAST_WORDS_S)
            await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)
        self._wire.abort()

    async def _watch(self) -> None:
        """Pings a silent client and gives up one that answers nothing, or never ends a frame it began."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_S)
            silence_s = 0.0 if self._reading_since is None else loop.time() - self._reading_since
            if silence_s > SILENCE_S:
                self._give_up("it has stalled")
                return
            if silence_s > PING_AFTER_S:
                try:
                    await self._socket.ping()
                except ConnectionError:
                    return

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────

    async def _frame(self) -> bytes | None:
        """The next binary frame; None when the connection has ended."""
        while True:
            self._reading_since = asyncio.get_running_loop().time()
            message = await self._socket.receive()
            self._reading_since = None
            self._pace.step(asyncio.get_running_loop().time())
            if message.type is WSMsgType.BINARY:
                data: bytes = message.data
                return data
            if message.type is WSMsgType.TEXT:
                raise MalformedFrame("The program sent text where messages are binary. Update the program.")
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                return None

    async def _hello(self) -> Hello:
        try:
            frame = await asyncio.wait_for(self._frame(), HELLO_S)
        except asyncio.TimeoutError:
            raise MalformedFrame("The program did not introduce itself in time. Try again.") from None
        if frame is None:
            raise ConnectionResetError("It left without a word.")
        if len(frame) > HELLO_BYTES:
            raise FrameTooLarge("The program introduced itself at too great a length.")
        hello = typed_codec.decode(frame)
        if not isinstance(hello, Hello):
            raise MalformedFrame("The program did not introduce itself first. Update the program.")
        if hello.protocol < 1:
            raise VersionUnsupported(
                f"There is no version {hello.protocol} of the protocol. Update the program."
            )
        if not _CLIENT.fullmatch(hello.client):
            raise BadValue("The program's id is not 32 hex digits.")
        return hello

    async def _welcome(self, hello: Hello) -> None:
        self._name = f"{hello.name[:_NAME_LENGTH]!r} {hello.client[:8]}"  # quoted: a name may hold anything
        self._subscription = await self._services.desk.subscribe(
            hello.client, hello.last_event, self._sender.send
        )
        canvases = Canvases(self._services.limits)
        self._live = LiveMessages(
            self._services.live, hello.client, canvases, self._services.limits, self._sender, self._spawn
        )
        self._handlers = self._handlers_for(hello.client, self._live, canvases)
        if hello.shared_memory and self._services.shared_folder is not None:
            self._sender.sharing = await asyncio.to_thread(Sharing.open, self._services.shared_folder)
        sharing = self._sender.sharing
        self._sender.send(
            Welcome(
                protocol=min(PROTOCOL_VERSION, hello.protocol),
                server=self._services.version,
                limits=self._services.limits,
                capabilities=(*CAPABILITIES, "shared-memory") if sharing is not None else CAPABILITIES,
                last_event=self._subscription.newest_event,
                shared=sharing.offer if sharing is not None else None,
                maps=tuple(KINDS),
            )
        )
        self._subscription.start()
        log.info("%s came", self._name)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        yielded = loop.time()
        while (frame := await self._frame()) is not None:
            await self._handle(frame)
            del frame  # a frame may hold a whole canvas; the next may be long in coming
            if loop.time() - yielded > YIELD_S:
                await asyncio.sleep(0)
                yielded = loop.time()

    async def _handle(self, frame: bytes) -> None:
        if len(frame) > self._services.limits.frame_bytes:
            raise FrameTooLarge(f"No message may exceed {self._services.limits.frame_bytes} bytes.")
        try:
            message = typed_codec.decode(frame)
        except UnknownMessage as error:  # of a newer client, which can do without
            await self._answer_unknown(frame, error)
        else:
            handler = self._handlers.get(type(message), _misplaced)
            await self._guarded(message, partial(handler, message))

    async def _answer_unknown(self, frame: bytes, error: UnknownMessage) -> None:
        target = typed_codec.target(frame)
        if target == typed_codec.Target():
            raise error
        about = {name: getattr(target, name) for name in ("request", "job", "canvas", "live")}
        await self._sender.answer(Problem(error.code, error.sentence, **about))

    async def _guarded(self, message: ClientMessage, work: Work) -> None:
        """Runs what a message asks for. What goes wrong is answered to that message."""
        try:
            await work()
        except ImpastoError as error:
            self._refuse(message, error)
        except ConnectionError:
            raise
        except Exception:  # the outermost boundary: one message's mishap must not end the connection
            log.exception("A %s of %s failed", type(message).__name__, self._name)
            self._refuse(
                message, InternalError("Something went wrong in Impasto's server; its log says what.")
            )

    def _refuse(self, message: ClientMessage, error: ImpastoError) -> None:
        self._sender.send_owed()
        self._sender.send(Problem(error.code, error.sentence, **_target(message)))


def _target(message: ClientMessage) -> dict[str, Any]:
    """What an answer to this message names: the first of these that the message has."""
    if isinstance(message, StartLive):  # whose `request` is no number
        return {"live": message.live}
    if (request := getattr(message, "request", None)) is not None:
        return {"request": request}
    names = ("job", "canvas", "live")
    return {name: value for name in names if (value := getattr(message, name, None)) is not None}


async def _misplaced(_message: ClientMessage) -> None:
    raise MalformedFrame("The program introduced itself twice. Update the program.")
