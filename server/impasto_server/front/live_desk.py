"""Live sessions of all clients: on which worker each one is, and that it goes on when that worker dies."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from impasto_protocol.errors import WorkerCrashed
from impasto_protocol.messages import ErrorInfo, LiveRequest, ModelInfo

from impasto_server.front.scheduler import Scheduler
from impasto_server.pool.channel import (
    CloseLive,
    Event,
    FeedLive,
    LiveCommand,
    LiveEvent,
    LiveFailed,
    LivePainted,
    LiveWaits,
    ModelsChanged,
    OpenLive,
    Ready,
)
from impasto_server.pool.interface import WorkerPool

__all__ = ["Hear", "LiveDesk"]

log = logging.getLogger(__name__)

MOST_DEATHS = 3  # of workers that were at work on a session, without a preview in between

Hear = Callable[[LiveEvent], None]  # must neither block nor raise
FeedAgain = Callable[[], Awaitable[None]]  # must not raise


@dataclass(eq=False)
class _Session:
    live: int
    client: str
    request: LiveRequest
    hear: Hear
    feed_again: FeedAgain
    worker: int | None = None  # None: it waits for one to be ready
    input: int = -1  # the newest
    owed: bool = True  # its worker is at work on it, or about to be
    deaths: int = 0  # of workers that were at work on it, since it was last shown anything


class LiveDesk:
    """All on one event loop. A `PoolListener`."""

    def __init__(self, pool: WorkerPool, scheduler: Scheduler) -> None:
        self._pool = pool
        self._scheduler = scheduler
        self._sessions: dict[int, _Session] = {}
        self._ready: set[int] = set()
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self.models: tuple[ModelInfo, ...] = ()  # empty until a worker has said what there is

    # ── what connections ask ─────────────────────────────────────────────────────────────────────────────

    async def open(self, client: str, request: LiveRequest, hear: Hear, feed_again: FeedAgain) -> int:
        """Starts a session and returns its number. `hear` gets all that becomes of it; `LiveFailed` is the
        last word. `feed_again` is asked for the newest input when another worker has none."""
        session = _Session(next(self._numbers), client, request, hear, feed_again)
        self._sessions[session.live] = session
        await self._place(session)
        return session.live

    async def change(self, live: int, request: LiveRequest) -> None:
        """The session goes on with another request. Its inputs so far were for the one before."""
        session = self._sessions.get(live)
        if session is not None:
            session.request, session.input = request, -1
            await self._tell(session, OpenLive(live, session.client, request))

    async def feed(self, command: FeedLive) -> None:
        session = self._sessions.get(command.live)
        if session is not None:
            session.input = command.input
            await self._tell(session, command)

    def close(self, live: int) -> None:
        """Idempotent."""
        session = self._sessions.pop(live, None)
        if session is not None:
            self._spawn(self._tell(session, CloseLive(live)))

    # ── what the pool tells ──────────────────────────────────────────────────────────────────────────────

    async def worker_event(self, worker: int, event: Event) -> None:
        if isinstance(event, LiveWaits | LivePainted | LiveFailed):
            self._heard(event)
        elif isinstance(event, Ready):
            self._ready.add(worker)
            self.models = tuple(event.models)
            await self._place_all()
        elif isinstance(event, ModelsChanged):
            self.models = tuple(event.models)

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        """See `PoolListener`. Its sessions go on elsewhere, or when it is back."""
        self._ready.discard(worker)
        for session in list(self._sessions.values()):
            if session.worker not in (worker, None):
                continue
            session.worker = None
            session.deaths += session.owed
            if session.deaths < MOST_DEATHS:
                session.hear(LiveWaits(session.live, "loading"))
            else:
                del self._sessions[session.live]
                session.hear(LiveFailed(session.live, ErrorInfo(WorkerCrashed.code, _CRASHED)))
        await self._place_all()

    def _heard(self, event: LiveEvent) -> None:
        session = self._sessions.get(event.live)
        if session is None:
            return  # closed meanwhile
        if isinstance(event, LivePainted):
            session.deaths = 0
            session.owed = event.input < session.input
            self._scheduler.charge(session.client, event.device_s)
        elif isinstance(event, LiveFailed):
            del self._sessions[event.live]
        elif event.stage == "ready":
            session.owed = session.input >= 0
        session.hear(event)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────

    async def _place_all(self) -> None:
        for session in list(self._sessions.values()):
            if session.worker is None:
                await self._place(session)

    async def _place(self, session: _Session) -> None:
        """On the ready worker with the fewest sessions, if there is one."""
        if not self._ready:
            return
        held = [one.worker for one in self._sessions.values()]
        session.worker = min(self._ready, key=lambda worker: (held.count(worker), worker))
        await self._tell(session, OpenLive(session.live, session.client, session.request))
        if session.input >= 0:
            await session.feed_again()

    async def _tell(self, session: _Session, command: LiveCommand) -> None:
        session.owed = True
        if session.worker is not None:
            await self._pool.live(session.worker, command)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_CRASHED = (
    "The painting process died several times under this live preview, so it was stopped. "
    "A smaller size or another model may work; log/worker.log says more."
)
