"""One client's connection, from Hello to its end: what each message of the protocol does.

`_HANDLERS` below is the one place where message types meet what they do. Messages are read one at a time.
What touches only this connection (canvases, their pixels) is done at once; what needs the job desk runs in a
lane of its own, in the order it came, so that strokes go on while a large picture is being stored; what may
overtake (cancel, the list of models) does.

Errors with something to answer become a `Problem` that names it, and the connection goes on. A frame that
cannot be read, or comes too fast, ends the connection after one last `Problem`. Whatever happens here, jobs
go on: they belong to the client, not to the connection.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web
from impasto_protocol.errors import (
    BadImage,
    BadValue,
    FrameTooLarge,
    ImpastoError,
    InternalError,
    MalformedFrame,
    RequestError,
    UnknownMessage,
    VersionUnsupported,
)
from impasto_protocol.messages import (
    PROTOCOL_VERSION,
    Annotate,
    Cancel,
    CanvasAck,
    CanvasPixels,
    CanvasRef,
    CanvasRows,
    CanvasStale,
    CanvasTiles,
    ClientMessage,
    CloseCanvas,
    FetchInput,
    FetchLayer,
    FetchThumbnail,
    Forget,
    Hello,
    InputPixels,
    JobChanged,
    JobList,
    JobProgress,
    JobSummary,
    LayerPixels,
    Limits,
    ListJobs,
    ListModels,
    ModelInfo,
    ModelList,
    OpenCanvas,
    Pixels,
    Problem,
    ReadCanvas,
    Release,
    ServerMessage,
    Submit,
    ThumbnailPixels,
    Welcome,
)
from impasto_protocol.rasters import raster_size

from impasto_server.controls import KINDS
from impasto_server.front import typed_codec
from impasto_server.front.canvases import Canvases, Snapshot, copy_chunks
from impasto_server.front.jobs import Inputs
from impasto_server.front.outbox import Outbox, Outgoing
from impasto_server.front.pace import Pace
from impasto_server.front.sharing import Sharing
from impasto_server.front.wire import WebSocketWire

__all__ = ["Connection", "Desk", "Services", "Subscription"]

HELLO_S = 2.0
HELLO_BYTES = 4096
PING_AFTER_S = 8.0  # of silence
SILENCE_S = 20.0  # without one whole message or pong while the server listens: the client has stalled
WATCH_S = 4.0
LAST_WORDS_S = 1.0
LANE_LENGTH = 64  # desk messages waiting; more make the reader wait, and so the client
FREE_TASKS = 32
SUBMITS_WAITING = 4  # each may hold a copy of a canvas
ACKNOWLEDGE_S = 0.002  # how long an acknowledgement may wait for answers to go first
YIELD_S = 0.002  # a reader with work gives way to the others this often

_CLIENT = re.compile(r"[0-9a-f]{32}")
_JOB = _CLIENT
_NAME_LENGTH = 80  # characters of a client's name that reach the log

log = logging.getLogger(__name__)
T = TypeVar("T")


class Subscription(Protocol):
    @property
    def newest_event(self) -> int: ...
    def start(self) -> None: ...
    def close(self) -> None: ...


class Desk(Protocol):
    """What a connection needs of `impasto_server.front.jobs.JobDesk`."""

    @property
    def device(self) -> str | None: ...
    async def subscribe(
        self, client: str, last_event: int, deliver: Callable[[JobChanged | JobProgress], None]
    ) -> Subscription: ...
    async def submit(self, client: str, submit: Submit, inputs: Inputs) -> None: ...
    async def cancel(self, client: str, job: str) -> None: ...
    async def forget(self, client: str, job: str) -> None: ...
    async def annotate(self, client: str, job: str, note: str) -> JobSummary: ...
    async def jobs(self, client: str) -> tuple[JobSummary, ...]: ...
    async def layer(self, client: str, job: str, index: int, y: int, height: int) -> Pixels: ...
    async def thumbnail(self, client: str, job: str, index: int, longest_px: int) -> Pixels: ...
    async def input(self, client: str, digest: str, y: int, height: int) -> Pixels: ...
    async def models(self) -> tuple[ModelInfo, ...]: ...


@dataclass(frozen=True)
class Services:
    """What all connections of a server share."""

    desk: Desk
    limits: Limits
    version: str
    shared_folder: Path | None  # None: no shared memory
    started: set[asyncio.Task[Any]] = field(default_factory=set)  # changes of the journal, under way


Work = Callable[[], Awaitable[None]]
PixelReply = CanvasPixels | LayerPixels | ThumbnailPixels | InputPixels


class Connection:
    def __init__(self, services: Services, socket: web.WebSocketResponse, wire: WebSocketWire) -> None:
        self._services = services
        self._socket = socket
        self._wire = wire
        self._client = ""
        self._name = "somebody"
        self._canvases = Canvases(services.limits)
        self._outbox = Outbox(wire, self._give_up)
        self._owed: dict[object, CanvasAck | Release] = {}
        self._sharing: Sharing | None = None
        self._subscription: Subscription | None = None
        self._pace = Pace()
        self._reading_since: float | None = None
        self._lane: asyncio.Queue[tuple[ClientMessage, Work]] = asyncio.Queue(LANE_LENGTH)
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = 0
        self._submitting: set[str] = set()
        self._slots = asyncio.Semaphore(SUBMITS_WAITING)

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Serves the client until one side ends the connection. Raises only CancelledError."""
        self._spawn(self._outbox.run())
        self._spawn(self._watch())
        try:
            await self._welcome(await self._hello())
            self._spawn(self._work())
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
        if self._sharing is not None:
            self._sharing.close()
        log.info("%s left", self._name)

    def _give_up(self, reason: str) -> None:
        log.warning("Closing the connection of %s: %s", self._name, reason)
        self._wire.abort()

    async def _last_words(self, error: ImpastoError) -> None:
        log.warning("Closing the connection of %s: %s", self._name, error.code)
        self._send(Problem(error.code, error.sentence))
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
        self._client = hello.client
        self._name = f"{hello.name[:_NAME_LENGTH]!r} {hello.client[:8]}"  # quoted: a name may hold anything
        self._subscription = await self._services.desk.subscribe(
            hello.client, hello.last_event, self._deliver
        )
        capabilities = ["generate", "image", "mask", "control", "lora", "upscale"]
        if hello.shared_memory and self._services.shared_folder is not None:
            self._sharing = await asyncio.to_thread(Sharing.open, self._services.shared_folder)
        offer = None
        if self._sharing is not None:
            offer = self._sharing.offer
            capabilities.append("shared-memory")
        self._send(
            Welcome(
                protocol=min(PROTOCOL_VERSION, hello.protocol),
                server=self._services.version,
                limits=self._services.limits,
                capabilities=tuple(capabilities),
                last_event=self._subscription.newest_event,
                shared=offer,
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
            handler = _HANDLERS.get(type(message), _misplaced)
            await self._guarded(message, partial(handler, self, message))

    async def _answer_unknown(self, frame: bytes, error: UnknownMessage) -> None:
        target = typed_codec.target(frame)
        if target == typed_codec.Target():
            raise error
        await self._outbox.room()
        self._send(
            Problem(error.code, error.sentence, request=target.request, job=target.job, canvas=target.canvas)
        )

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
        self._send_owed()
        request = getattr(message, "request", None)
        job = getattr(message, "job", None) if request is None else None
        canvas = getattr(message, "canvas", None) if request is None else None
        self._send(Problem(error.code, error.sentence, request=request, job=job, canvas=canvas))

    # ── sending ──────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, message: ServerMessage) -> None:
        self._outbox.put(
            Outgoing(
                (typed_codec.encode(message),),
                replaces=getattr(message, "replaces", None),
                droppable=isinstance(message, JobProgress),
            )
        )

    def _send_later(self, message: CanvasAck | Release) -> None:
        """Nobody waits for an acknowledgement, but for the answer to what was asked next somebody does. And
        the newest one of a canvas stands for all before it.
        """
        self._owed[getattr(message, "replaces", message)] = message
        if len(self._owed) == 1:
            asyncio.get_running_loop().call_later(ACKNOWLEDGE_S, self._send_owed)

    def _send_owed(self) -> None:
        owed, self._owed = self._owed, {}
        for message in owed.values():
            self._send(message)

    def _deliver(self, message: JobChanged | JobProgress) -> None:
        """What the desk tells its subscribers. Never blocks."""
        self._send(message)

    async def _send_pixels(self, reply: PixelReply, done: Callable[[], None] | None = None) -> None:
        """Sends an answer with pixels: through shared memory when the client can, else in the frame,
        uncopied.

        `done` is called when the pixels are no longer looked at.
        """
        try:
            data = reply.pixels.data
            if data is None or len(data) > self._services.limits.frame_bytes:
                raise BadValue(
                    f"No answer may exceed {self._services.limits.frame_bytes} bytes: ask for fewer rows."
                )
            await self._outbox.room()
            shared = None if self._sharing is None else await self._sharing.lend(data)
            if shared is not None:
                pixels = dataclasses.replace(reply.pixels, data=None, shared=shared)
                self._send(dataclasses.replace(reply, pixels=pixels))
                return
            self._outbox.put(Outgoing(typed_codec.encode_parts(reply), done=done))
            done = None  # the outbox calls it
        finally:
            if done is not None:
                done()

    # ── canvases ─────────────────────────────────────────────────────────────────────────────────────────

    async def _open_canvas(self, message: OpenCanvas) -> None:
        self._canvases.open(message)

    async def _close_canvas(self, message: CloseCanvas) -> None:
        self._canvases.close(message.canvas)

    async def _canvas_rows(self, message: CanvasRows) -> None:
        size, fill = self._source(message.pixels)
        try:
            answer = await self._canvases.write_rows(message, size, fill)
        finally:
            if message.pixels.shared is not None:
                self._send_later(Release(message.pixels.shared.name))
        self._answer_update(answer)

    async def _canvas_tiles(self, message: CanvasTiles) -> None:
        answer = await self._canvases.write_tiles(message)
        self._answer_update(answer)

    def _answer_update(self, answer: CanvasAck | CanvasStale | None) -> None:
        if isinstance(answer, CanvasAck):
            self._send_later(answer)
        elif answer is not None:
            self._send_owed()  # or the client would take it for one of the canvas it opens now
            self._send(answer)

    async def _read_canvas(self, message: ReadCanvas) -> None:
        rows = self._canvases.rows(message.canvas, message.y, message.height)
        reply = CanvasPixels(message.request, message.canvas, rows.sequence, message.y, rows.pixels)
        await self._send_pixels(reply, rows.release)

    def _source(self, pixels: Pixels) -> tuple[int, Callable[[memoryview], None]]:
        """The bytes a client sent, in the frame or in shared memory: how many, and what writes them."""
        if (pixels.data is None) == (pixels.shared is None):
            raise BadImage("Pixels come either in the message or in shared memory. Update the program.")
        if pixels.shared is None:
            assert pixels.data is not None
            return len(pixels.data), partial(copy_chunks, source=pixels.data)
        if self._sharing is None:
            raise BadImage("This connection has no shared memory. Update the program.")
        if pixels.width < 1 or pixels.height < 1:
            raise BadImage("A picture has at least one pixel.")
        if pixels.shared.size != raster_size(pixels.width, pixels.height, pixels.format):
            raise BadImage("The shared bytes are not a picture of that size. Send it again.")
        if pixels.shared.size > self._services.limits.frame_bytes:
            raise BadImage(
                f"No more than {self._services.limits.frame_bytes} bytes at once: send fewer rows."
            )
        self._sharing.check(pixels.shared)
        return pixels.shared.size, partial(self._sharing.take, pixels.shared)

    async def _release(self, message: Release) -> None:
        if self._sharing is not None:
            self._sharing.released(message.name)

    # ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _work(self) -> None:
        """The lane: one message for the desk after another."""
        while True:
            await self._guarded(*await self._lane.get())

    async def _queue(self, message: ClientMessage, work: Work) -> None:
        await self._lane.put((message, work))

    async def _overtake(self, message: ClientMessage, work: Work) -> None:
        """Runs at once, beside the lane; in the lane when too much does so already."""
        if self._free >= FREE_TASKS:
            await self._queue(message, work)
            return
        self._free += 1

        async def free() -> None:
            try:
                await self._guarded(message, work)
            finally:
                self._free -= 1

        self._spawn(free())

    async def _unbroken(self, change: Coroutine[Any, Any, T]) -> T:
        """Runs a change of the journal to its end, also when this connection ends before."""
        task = asyncio.ensure_future(change)
        self._services.started.add(task)
        task.add_done_callback(self._services.started.discard)
        return await asyncio.shield(task)

    async def _submit(self, message: Submit) -> None:
        """Takes the canvases as they stand now; the desk stores them while the reader goes on."""
        if not _JOB.fullmatch(message.job):
            raise BadValue("A job's id is 32 hex digits.")
        await self._slots.acquire()
        self._submitting.add(message.job)
        await self._queue(message, partial(self._hand_in, message, self._taken(message)))

    def _taken(self, message: Submit) -> dict[str, Snapshot] | RequestError:
        """Snapshots of the canvases the request names, by role; or why that cannot be."""
        taken: dict[str, Snapshot] = {}
        try:
            for role, ref in message.generate.pictures.items():
                if isinstance(ref, CanvasRef):
                    taken[role] = self._canvases.snapshot(ref)
        except RequestError as error:
            _release_all(taken)
            return error
        return taken

    async def _hand_in(self, message: Submit, taken: dict[str, Snapshot] | RequestError) -> None:
        desk = self._services.desk
        try:
            if isinstance(taken, dict):
                await self._unbroken(_submitted(desk, self._client, message, taken))
                return
            # After a reconnect a client may submit again what it never saw accepted. Its canvases went with
            # the old connection; if the job is known they are not needed.
            if message.job not in {summary.job for summary in await desk.jobs(self._client)}:
                raise taken
            await self._unbroken(desk.submit(self._client, message, Inputs()))
        finally:
            self._submitting.discard(message.job)
            self._slots.release()

    async def _cancel(self, message: Cancel) -> None:
        async def work() -> None:
            await self._unbroken(self._services.desk.cancel(self._client, message.job))

        if message.job in self._submitting:  # it must not come before its job
            await self._queue(message, work)
        else:
            await self._overtake(message, work)

    async def _forget(self, message: Forget) -> None:
        async def work() -> None:
            await self._unbroken(self._services.desk.forget(self._client, message.job))

        await self._queue(message, work)

    async def _annotate(self, message: Annotate) -> None:
        async def work() -> None:
            desk = self._services.desk
            summary = await self._unbroken(desk.annotate(self._client, message.job, message.note))
            await self._outbox.room()
            self._send(JobList(message.request, (summary,)))

        await self._queue(message, work)

    async def _fetch_layer(self, message: FetchLayer) -> None:
        async def work() -> None:
            desk = self._services.desk
            pixels = await desk.layer(self._client, message.job, message.layer, message.y, message.height)
            await self._send_pixels(LayerPixels(message.request, message.y, pixels))

        await self._queue(message, work)

    async def _fetch_thumbnail(self, message: FetchThumbnail) -> None:
        async def work() -> None:
            desk = self._services.desk
            pixels = await desk.thumbnail(self._client, message.job, message.layer, message.longest_px)
            await self._send_pixels(ThumbnailPixels(message.request, pixels))

        await self._queue(message, work)

    async def _fetch_input(self, message: FetchInput) -> None:
        async def work() -> None:
            desk = self._services.desk
            pixels = await desk.input(self._client, message.digest, message.y, message.height)
            await self._send_pixels(InputPixels(message.request, message.y, pixels))

        await self._queue(message, work)

    async def _list_jobs(self, message: ListJobs) -> None:
        async def work() -> None:
            await self._outbox.room()
            self._send(JobList(message.request, await self._services.desk.jobs(self._client)))

        await self._queue(message, work)

    async def _list_models(self, message: ListModels) -> None:
        async def work() -> None:
            models = await self._services.desk.models()
            await self._outbox.room()
            self._send(ModelList(message.request, models))

        await self._overtake(message, work)


async def _submitted(desk: Desk, client: str, message: Submit, taken: dict[str, Snapshot]) -> None:
    try:
        await desk.submit(client, message, Inputs({role: one.pixels for role, one in taken.items()}))
    finally:
        _release_all(taken)


def _release_all(taken: dict[str, Snapshot]) -> None:
    for snapshot in taken.values():
        snapshot.release()


async def _misplaced(_connection: Connection, _message: ClientMessage) -> None:
    raise MalformedFrame("The program introduced itself twice. Update the program.")


_HANDLERS: dict[type[ClientMessage], Callable[[Connection, Any], Awaitable[None]]] = {
    OpenCanvas: Connection._open_canvas,
    CanvasRows: Connection._canvas_rows,
    CanvasTiles: Connection._canvas_tiles,
    CloseCanvas: Connection._close_canvas,
    ReadCanvas: Connection._read_canvas,
    Submit: Connection._submit,
    Annotate: Connection._annotate,
    Cancel: Connection._cancel,
    Forget: Connection._forget,
    FetchLayer: Connection._fetch_layer,
    FetchThumbnail: Connection._fetch_thumbnail,
    FetchInput: Connection._fetch_input,
    ListJobs: Connection._list_jobs,
    ListModels: Connection._list_models,
    Release: Connection._release,
}
