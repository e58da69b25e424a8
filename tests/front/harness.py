"""A served front with a fake job desk, and a client made of aiohttp's own WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from impasto_protocol import codec
from impasto_protocol.errors import NoSuchInput, UnknownJob
from impasto_protocol.messages import (
    ClientMessage,
    ErrorInfo,
    GenerateRequest,
    Hello,
    JobChanged,
    JobProgress,
    JobSummary,
    ModelInfo,
    Pixels,
    ServerMessage,
    Submit,
    Welcome,
)
from impasto_protocol.rasters import PixelFormat, row_size
from impasto_server.config import Config
from impasto_server.front.auth import ServerInfo
from impasto_server.front.jobs import Inputs
from impasto_server.front.listening import bind, listening
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.scheduler import Scheduler

from tests.fakes.pool import FakePool

PAINTER = "a" * 32
OTHER = "b" * 32
MODEL = ModelInfo("pocket", "Pocket", "sd15", 64, 8, 3.0, ("text", "image", "mask"))

T = TypeVar("T")


@dataclass(eq=False)
class FakeSubscription:
    desk: FakeDesk
    client: str
    last_event: int
    deliver: Callable[[JobChanged | JobProgress], None]
    live: bool = False

    @property
    def newest_event(self) -> int:
        return max((event.event for event in self.desk.events.get(self.client, {}).values()), default=0)

    def start(self) -> None:
        self.live = True
        for event in self.desk.events.get(self.client, {}).values():
            if event.event > self.last_event:
                self.deliver(event)

    def close(self) -> None:
        self.live = False
        if self in self.desk.subscriptions:
            self.desk.subscriptions.remove(self)


@dataclass
class FakeDesk:
    """Accepts jobs and remembers them; paints nothing unless a test says so with `tell`."""

    device: str | None = "fake"
    store_s: float = 0.0  # how long it takes to store the inputs of a job
    events: dict[str, dict[str, JobChanged]] = field(default_factory=dict)  # newest, per client and job
    submitted: list[tuple[str, Submit, dict[str, bytes]]] = field(default_factory=list)  # pictures by role
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    layers: dict[tuple[str, str, int], Pixels] = field(default_factory=dict)
    subscriptions: list[FakeSubscription] = field(default_factory=list)
    workers: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    _event: int = 0

    async def subscribe(
        self, client: str, last_event: int, deliver: Callable[[JobChanged | JobProgress], None]
    ) -> FakeSubscription:
        subscription = FakeSubscription(self, client, last_event, deliver)
        self.subscriptions.append(subscription)
        return subscription

    async def submit(self, client: str, submit: Submit, inputs: Inputs) -> None:
        if self.failure is not None:
            raise self.failure
        if submit.job in self.events.get(client, {}):
            self._send(client, self.events[client][submit.job])
            return
        await asyncio.sleep(self.store_s)
        pictures = {role: bytes(picture.data) for role, picture in inputs.pictures.items()}
        self.submitted.append((client, submit, pictures))
        self.change(client, submit.job, "queued")

    async def cancel(self, client: str, job: str) -> None:
        if job not in self.events.get(client, {}):
            raise UnknownJob("There is no such job.")
        self.cancelled.append((client, job))
        self.change(client, job, "cancelled")

    async def forget(self, client: str, job: str) -> None:
        self.events.get(client, {}).pop(job, None)

    async def annotate(self, client: str, job: str, note: str) -> JobSummary:
        if job not in self.events.get(client, {}):
            raise UnknownJob("There is no such job.")
        self.notes[client, job] = note
        return JobSummary(job, "done", "", 0.0, note=note)

    async def thumbnail(self, client: str, job: str, index: int, longest_px: int) -> Pixels:
        return await self.layer(client, job, index, 0, longest_px)

    async def jobs(self, client: str) -> tuple[JobSummary, ...]:
        return tuple(
            JobSummary(job, event.state, "", 0.0) for job, event in self.events.get(client, {}).items()
        )

    async def layer(self, client: str, job: str, index: int, y: int, height: int) -> Pixels:
        whole = self.layers.get((client, job, index))
        if whole is None:
            raise UnknownJob("There is no such job.")
        row = row_size(whole.width, whole.format)
        view = memoryview(whole.data)[y * row : (y + height) * row]
        return replace(whole, height=height, data=view)

    async def input(self, client: str, digest: str, y: int, height: int) -> Pixels:
        raise NoSuchInput("Gone.")

    async def models(self) -> tuple[ModelInfo, ...]:
        await self.workers.wait()
        return (MODEL,)

    def change(self, client: str, job: str, state: str, error: ErrorInfo | None = None) -> None:
        self._event += 1
        event = JobChanged(self._event, job, state, error=error)
        self.events.setdefault(client, {})[job] = event
        self._send(client, event)

    def tell(self, client: str, progress: JobProgress) -> None:
        self._send(client, progress)

    def _send(self, client: str, message: JobChanged | JobProgress) -> None:
        for subscription in list(self.subscriptions):
            if subscription.live and subscription.client == client:
                subscription.deliver(message)


@dataclass
class Client:
    """One WebSocket, speaking frames."""

    socket: aiohttp.ClientWebSocketResponse
    welcome: Welcome | None = None

    async def send(self, message: ClientMessage) -> None:
        await self.socket.send_bytes(codec.encode(message))

    async def receive(self, timeout_s: float = 10.0) -> ServerMessage | None:
        """The next message; None when the server has closed."""
        message = await self.socket.receive(timeout_s)
        if message.type is aiohttp.WSMsgType.BINARY:
            return codec.decode_server(message.data)
        return None

    async def expect(self, kind: type[T], timeout_s: float = 10.0) -> T:
        """The next message of a type; those before it are passed over."""
        while True:
            message = await self.receive(timeout_s)
            assert message is not None, f"the server closed before {kind.__name__}"
            if isinstance(message, kind):
                return message


@dataclass
class Served:
    info: ServerInfo
    desk: Any
    config: Config
    session: aiohttp.ClientSession
    pool: FakePool = field(default_factory=FakePool)  # of live sessions

    @property
    def url(self) -> str:
        return f"http://{self.info.host}:{self.info.port}/v1"

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.info.token}"}

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Client]:
        """An authenticated WebSocket on which nothing has been said."""
        async with self.session.ws_connect(
            self.url, headers=self.bearer, max_msg_size=0, autoping=True
        ) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def client(
        self, client: str = PAINTER, last_event: int = 0, shared_memory: bool = False
    ) -> AsyncIterator[Client]:
        """A client that has been welcomed."""
        async with self.socket() as one:
            await one.send(Hello(1, client, "a test", last_event, shared_memory))
            one.welcome = await one.expect(Welcome)
            yield one


@asynccontextmanager
async def served(home: Path, desk: Any = None, **settings: Any) -> AsyncIterator[Served]:
    """A front on any free port of the loopback."""
    config = Config(home=home, port=0, **settings)
    desk = FakeDesk() if desk is None else desk
    pool = FakePool(size=2)
    live = LiveDesk(pool, Scheduler())
    await pool.start(live)
    async with aiohttp.ClientSession() as session:
        with bind(config) as listener:
            async with listening(config, desk, live, listener) as info:
                yield Served(info, desk, config, session, pool)


def submit(job: int = 1, **request: Any) -> Submit:
    return Submit(f"{job:032x}", GenerateRequest("a fox", **request))


def raster(width: int, height: int, format: PixelFormat, value: int = 0) -> bytes:
    return bytes([value]) * (height * row_size(width, format))
