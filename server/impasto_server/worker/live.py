"""Live sessions in the worker: whose frame is next, which input it shows, and when it is given up.

    next frame     of the client that has used the least device time (start-time fair queuing, as in
                   front/scheduler.py), and of the session of that client that was served the longest ago
    its input      the newest at its start; nothing older is ever painted
    newer input    while it is painted: it is given up if less than half of its steps are done. But the frame
                   that takes its place is finished, or a pen at 120 Hz would never see one
    at rest        the last input once more, in more steps; given up as soon as anything at all comes

All of it runs on the main thread, in the idle loop and in the step gates of jobs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from impasto_protocol.messages import Pixels
from impasto_protocol.rasters import PixelFormat, channels

from impasto_server.engine.interface import Engine, LiveSitting, Raster
from impasto_server.pool.channel import FeedLive, LiveFailed, LivePainted, LiveWaits, OpenLive
from impasto_server.worker.channel_ends import Inbox, LiveNews, Outbox
from impasto_server.worker.mishaps import clear_up, explain

__all__ = ["SAMPLES", "LiveSessions"]

log = logging.getLogger(__name__)

REFINE_AFTER_S = 0.4  # without a new input
SAMPLES = {
    PixelFormat.RGB8: "u1",
    PixelFormat.RGBA8: "u1",
    PixelFormat.GRAY8: "u1",
    PixelFormat.GRAY16: "<u2",
    PixelFormat.RGBA16: "<u2",
    PixelFormat.DEPTH32F: "<f4",
}


@dataclass(eq=False)
class _Session:
    live: int
    client: str
    sitting: LiveSitting
    refines: bool  # the artist wants better previews at rest
    shown: FeedLive | None = None  # what the last preview shows, until that has been refined
    rests_since_s: float = 0.0
    insists: bool = False  # the frame before was given up: the next one is finished
    served: int = 0  # number of the turn it had last
    device_s: float = 0.0  # since the last preview
    wasted_steps: int = 0  # likewise


class LiveSessions:
    """The live sessions of this worker. All methods run on the main thread."""

    def __init__(
        self, engine: Engine, inbox: Inbox, outbox: Outbox, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._outbox = outbox
        self._clock = clock
        self._sessions: dict[int, _Session] = {}
        self._loading: set[int] = set()  # sessions whose client has been told so
        self._used_s: dict[str, float] = {}  # virtual time of each client
        self._now_s = 0.0  # virtual time of the client served last
        self._turns = 0

    def paint_next(self) -> bool:
        """Paints one frame, if a session waits for one. False: none does."""
        waiting = self._waiting()
        if waiting:
            self._guarded(waiting[0], partial(self._serve, waiting[0]))
        return bool(waiting)

    def paint_each(self) -> None:
        """Paints at most one frame of each session that waits for one now."""
        for live in self._waiting():
            self._guarded(live, partial(self._serve, live))

    def refine(self) -> None:
        """Paints the session that has been at rest for longest once more, if it has been for long enough."""
        session = min(self._resting(), key=lambda one: one.rests_since_s, default=None)
        if session is not None and session.shown is not None and self.rest_left_s() <= 0:
            self._guarded(session.live, partial(self._paint, session, session.shown, refined=True))

    def rest_left_s(self) -> float:
        """Until a session is to be refined; infinite: none is."""
        since_s = min((one.rests_since_s for one in self._resting()), default=math.inf)
        return since_s + REFINE_AFTER_S - self._clock()

    # ── whose turn it is ─────────────────────────────────────────────────────────────────────────────────

    def _waiting(self) -> list[int]:
        """Sessions there is news of, the one to be served first at the head."""
        if not self._inbox.news:
            return []
        news = self._inbox.live_news()
        return sorted(news, key=lambda live: self._rank(live, news[live]))

    def _rank(self, live: int, news: LiveNews) -> tuple[float, int]:
        session = self._sessions.get(live)
        client = session.client if session is not None else news.opened.client if news.opened else ""
        return self._start_s(client), session.served if session is not None else 0

    def _start_s(self, client: str) -> float:
        """Idleness earns no credit: who comes back stands level with whoever was served last."""
        return max(self._now_s, self._used_s.get(client, 0.0))

    def _resting(self) -> list[_Session]:
        return [one for one in self._sessions.values() if one.refines and one.shown is not None]

    # ── a turn ───────────────────────────────────────────────────────────────────────────────────────────

    def _guarded(self, live: int, work: Callable[[], object]) -> None:
        """What goes wrong ends this session alone."""
        try:
            work()
        except Exception as problem:  # noqa: BLE001  the outermost boundary: nothing is swallowed
            error = explain(f"Live session {live}", problem)
        else:
            return
        clear_up(error)
        self._end(live)
        self._outbox.send(LiveFailed(live, error))

    def _serve(self, live: int) -> None:
        """What has come for a session; a frame that was given up is begun again at once."""
        while not self._inbox.stopping and (news := self._inbox.take_live(live)) is not None:
            if news.closed:
                self._end(live)
                return
            if news.opened is not None:
                self._sit(news.opened)
            session = self._sessions.get(live)
            if session is None or news.fed is None or self._paint(session, news.fed):
                return

    def _sit(self, command: OpenLive) -> None:
        """Makes ready. The time is charged to nobody: loading a model would cost a client its previews."""
        sitting = self._engine.sit(command.request, partial(self._load, command.live))
        session = self._sessions.get(command.live)
        if session is None:
            session = self._sessions[command.live] = _Session(command.live, command.client, sitting, True)
            self._loading.add(command.live)  # so that it hears that all is ready, though nothing was read
        session.sitting, session.shown = sitting, None
        session.refines = command.request.refine_steps >= 0
        self._loaded(command.live)

    def _load(self, live: int) -> None:
        """A sitting reads a model or an adapter: now, or later, when others have taken its place."""
        if live not in self._loading:
            self._loading.add(live)
            self._outbox.send(LiveWaits(live, "loading"))

    def _loaded(self, live: int) -> None:
        if live in self._loading:
            self._loading.remove(live)
            self._outbox.send(LiveWaits(live, "ready"))

    def _paint(self, session: _Session, fed: FeedLive, *, refined: bool = False) -> bool:
        """One frame, told to the front. False: it was given up."""
        start_s = self._start_s(session.client)
        begun_s = self._clock()
        self._turns += 1
        session.served, self._now_s = self._turns, start_s
        try:
            frame = session.sitting.paint(
                _raster(fed.image),
                None if fed.mask is None else _raster(fed.mask),
                [_raster(control) for control in fed.controls],
                self._undisturbed if refined else self._keeping_on(session),
                refined=refined,
            )
        finally:
            ended_s = self._clock()
            session.rests_since_s = ended_s
            session.device_s += ended_s - begun_s
            self._used_s[session.client] = start_s + ended_s - begun_s
        self._loaded(session.live)
        if frame is None:
            session.insists = not refined
            return False
        height, width = frame.pixels.shape[:2]
        self._outbox.send(
            LivePainted(
                live=session.live,
                input=fed.input,
                sequence=fed.sequence,
                pixels=Pixels(width, height, PixelFormat.RGB8, _flat(frame.pixels)),
                device_s=session.device_s,
                refined=refined,
                wasted_steps=session.wasted_steps,
                stages=_stages(fed.at_s, begun_s, ended_s, frame.stages),
                at_s=ended_s,
            )
        )
        session.device_s, session.wasted_steps = 0.0, 0
        session.shown, session.insists = (None if refined else fed), False
        return True

    def _keeping_on(self, session: _Session) -> Callable[[int, int], bool]:
        def keep_on(done: int, steps: int) -> bool:
            news = self._inbox.news_of(session.live)
            if self._inbox.stopping or (news is not None and news.closed):
                return False
            if news is None or session.insists or 2 * done >= steps:
                return True
            session.wasted_steps += done
            return False

        return keep_on

    def _undisturbed(self, _done: int, _steps: int) -> bool:
        """Whether a refinement goes on. What it costs when it does not is not wasted: nobody asked for
        anything meanwhile."""
        return not self._inbox.news

    def _end(self, live: int) -> None:
        self._loading.discard(live)
        session = self._sessions.pop(live, None)
        if session is not None and all(one.client != session.client for one in self._sessions.values()):
            self._used_s.pop(session.client, None)


def _stages(at_s: float, begun_s: float, ended_s: float, engine: Mapping[str, float]) -> dict[str, float]:
    """All that the time from an input's arrival to its preview went to, in ms; none of it is left out."""
    other = 1000.0 * (ended_s - begun_s) - sum(engine.values())
    return {"waited": 1000.0 * max(0.0, begun_s - at_s), **engine, "other": max(0.0, other)}


def _flat(raster: Raster) -> bytes:
    """Its bytes, uncopied; C-contiguous."""
    return raster.data.cast("B")  # type: ignore[return-value]  # bytes-like


def _raster(pixels: Pixels) -> Raster:
    """(H, W, C), or (H, W) where there is one channel; read-only."""
    count = channels(pixels.format)
    shape = (pixels.height, pixels.width) if count == 1 else (pixels.height, pixels.width, count)
    if pixels.data is None:
        raise ValueError("live pixels have been copied out of shared memory")
    return np.frombuffer(pixels.data, SAMPLES[pixels.format]).reshape(shape)
