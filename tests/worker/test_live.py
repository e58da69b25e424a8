"""Live sessions in the worker: the newest input, shown soon, shared evenly, and never in the way for long."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from impasto_protocol.errors import BadModel
from impasto_protocol.messages import LiveRequest, ModelInfo, Pixels
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Layer, LiveFrame, Raster
from impasto_server.pool.channel import (
    CloseLive,
    Event,
    FeedLive,
    LiveFailed,
    LivePainted,
    LiveWaits,
    OpenLive,
    Run,
    Stop,
)
from impasto_server.pool.memory import PictureMemory
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.live import REFINE_AFTER_S, LiveSessions

STEP_S = 0.01
STEPS, REFINE_STEPS = 4, 8


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


class Letters(Outbox):
    """Keeps what is sent."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), PictureMemory(None))
        self.sent: list[Event] = []

    def send(self, event: Event) -> None:
        self.sent.append(event)

    def painted(self, live: int | None = None) -> list[LivePainted]:
        found = [event for event in self.sent if isinstance(event, LivePainted)]
        return [event for event in found if live in (None, event.live)]


@dataclass
class Easel:
    """An engine whose steps take STEP_S of the test's clock. `between` is called after each step, as the
    channel's thread might be."""

    clock: Clock
    between: Callable[[int], None] = lambda _step: None
    device: str = "easel"
    loads: bool = False
    loading: Callable[[], None] = lambda: None
    sat: list[LiveRequest] = field(default_factory=list)
    begun: list[tuple[str, int, bool]] = field(default_factory=list)  # prompt, first byte, refined

    def models(self) -> list[ModelInfo]:
        return []

    def generate(self, *_: object) -> Sequence[Layer]:
        raise NotImplementedError

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> Sitting:
        self.sat.append(request)
        self.loading = loading
        if self.loads:
            loading()
        return Sitting(self, request)


@dataclass
class Sitting:
    easel: Easel
    request: LiveRequest

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: Callable[[int, int], bool],
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        if self.request.prompt == "exhaust":
            raise MemoryError
        if self.request.prompt == "unfit":
            raise BadModel("This model is broken. Choose another.")
        steps = REFINE_STEPS if refined else STEPS
        self.easel.begun.append((self.request.prompt, int(image.flat[0]), refined))
        for step in range(steps):
            if not keep_on(step, steps):
                return None
            self.easel.clock.now_s += STEP_S * (self.request.steps or 1)
            self.easel.between(step + 1)
        return (
            LiveFrame(np.ascontiguousarray(image[:, :, :3]), {"sampling": 1.0})
            if keep_on(steps, steps)
            else None
        )


@dataclass
class Bench:
    clock: Clock = field(default_factory=Clock)
    inbox: Inbox = field(default_factory=Inbox)
    outbox: Letters = field(default_factory=Letters)

    def __post_init__(self) -> None:
        self.easel = Easel(self.clock)
        self.live = LiveSessions(self.easel, self.inbox, self.outbox, self.clock)

    def open(self, live: int = 1, prompt: str = "a fox", client: str = "a", **more: object) -> None:
        self.inbox.put(OpenLive(live, client, LiveRequest("c", prompt, **more)))  # type: ignore[arg-type]
        self.live.paint_next()

    def feed(self, number: int, live: int = 1) -> None:
        self.inbox.put(FeedLive(live, number, picture(number), sequence=10 * number, at_s=self.clock.now_s))

    def shown(self, live: int | None = None) -> list[int]:
        return [event.input for event in self.outbox.painted(live)]


def picture(value: int) -> Pixels:
    return Pixels(2, 2, PixelFormat.RGBA8, bytes([value % 256]) * 16)


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ── one session ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_frame_shows_the_input_it_names_and_says_where_the_time_went(bench: Bench) -> None:
    bench.open()
    bench.feed(7)
    bench.clock.now_s += 0.5
    assert bench.live.paint_next()
    (painted,) = bench.outbox.painted()
    assert (painted.live, painted.input, painted.sequence) == (1, 7, 70)
    assert painted.pixels == Pixels(2, 2, PixelFormat.RGB8, bytes([7]) * 12)
    other_ms = 1000.0 * STEPS * STEP_S - 1.0  # of the frame's time; the engine speaks of one millisecond
    assert painted.stages == {
        "waited": pytest.approx(500.0),
        "sampling": 1.0,
        "other": pytest.approx(other_ms),
    }
    assert painted.device_s == pytest.approx(STEPS * STEP_S)
    assert (painted.refined, painted.wasted_steps, painted.at_s) == (False, 0, bench.clock.now_s)
    assert not bench.live.paint_next()


def test_the_newest_input_is_painted_and_nothing_older_ever(bench: Bench) -> None:
    bench.open()
    for number in range(5):
        bench.feed(number)
    bench.live.paint_next()
    assert not bench.live.paint_next()
    assert bench.shown() == [4]


@pytest.mark.parametrize(("at", "shown", "wasted"), [(1, [2], 1), (2, [1, 2], 0), (4, [1, 2], 0)])
def test_a_newer_input_takes_the_place_of_a_frame_that_is_less_than_half_done(
    bench: Bench, at: int, shown: list[int], wasted: int
) -> None:
    def between(step: int) -> None:
        if step == at and len(bench.easel.begun) == 1:
            bench.feed(2)

    bench.open()
    bench.easel.between = between
    bench.feed(1)
    while bench.live.paint_next():
        pass
    assert bench.shown() == shown
    assert sum(painted.wasted_steps for painted in bench.outbox.painted()) == wasted
    spent_s = sum(painted.device_s for painted in bench.outbox.painted())
    assert spent_s == pytest.approx((STEPS * len(shown) + wasted) * STEP_S), "what was given up is counted"


def test_a_pen_that_never_rests_gives_up_one_frame_for_each_preview_and_starves_none(bench: Bench) -> None:
    numbers = iter(range(2, 1000))
    newest = [1]

    def between(_step: int) -> None:
        newest.append(next(numbers))
        bench.feed(newest[-1])

    bench.open()
    bench.easel.between = between
    bench.feed(1)
    for _ in range(20):
        bench.live.paint_next()
    painted = bench.outbox.painted()
    assert len(painted) == 20
    assert {event.wasted_steps for event in painted} == {1}
    begun = [first for _, first, _ in bench.easel.begun]
    assert all(first in {event.input % 256 for event in painted} for first in begun[1::2])


def test_no_frame_starts_with_anything_but_the_newest_input(bench: Bench) -> None:
    newest = 1

    def between(_step: int) -> None:
        nonlocal newest
        newest += 1
        bench.feed(newest)

    class Watched(list[tuple[str, int, bool]]):
        def append(self, begun: tuple[str, int, bool]) -> None:
            assert begun[1] == newest % 256
            super().append(begun)

    bench.open()
    bench.easel.begun, bench.easel.between = Watched(), between
    bench.feed(1)
    for _ in range(20):
        bench.live.paint_next()
    assert len(bench.easel.begun) == 40


def test_the_last_input_is_always_shown(bench: Bench) -> None:
    def between(step: int) -> None:
        if len(bench.easel.begun) < 9 and step in (1, 3):
            bench.feed(10 * len(bench.easel.begun) + step)

    bench.open()
    bench.easel.between = between
    bench.feed(1)
    while bench.live.paint_next():
        pass
    assert bench.shown()[-1] == 83


def test_a_session_that_is_stopped_in_the_middle_of_a_frame_shows_no_more(bench: Bench) -> None:
    bench.open()
    bench.easel.between = lambda step: bench.inbox.put(CloseLive(1)) if step == 3 else None
    bench.feed(1)
    bench.live.paint_next()
    bench.feed(2)
    bench.live.paint_next()
    assert bench.shown() == []
    assert not bench.inbox.news


def test_the_end_of_the_worker_ends_the_frame(bench: Bench) -> None:
    bench.open()
    bench.easel.between = lambda _: bench.inbox.put(Stop())
    bench.feed(1)
    bench.live.paint_next()
    assert bench.shown() == []


# ── the request ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_told_what_it_waits_for(bench: Bench) -> None:
    bench.easel.loads = True
    bench.open()
    assert bench.outbox.sent == [LiveWaits(1, "loading"), LiveWaits(1, "ready")]
    bench.easel.loads = False
    bench.open(2)
    assert bench.outbox.sent[2:] == [LiveWaits(2, "ready")]
    bench.open(prompt="a hen")
    assert len(bench.outbox.sent) == 3, "a change that needs no loading is no news"


def test_a_model_that_has_to_be_read_again_in_a_frame_is_news_too(bench: Bench) -> None:
    bench.open()
    bench.easel.between = lambda step: bench.easel.loading() if step < 3 else None
    bench.feed(1)
    bench.live.paint_next()
    bench.easel.between = lambda _: None
    bench.feed(2)
    bench.live.paint_next()
    stages = [event.stage if isinstance(event, LiveWaits) else "painted" for event in bench.outbox.sent]
    assert stages == ["ready", "loading", "ready", "painted", "painted"]


def test_an_input_for_the_request_before_is_not_painted_for_the_new_one(bench: Bench) -> None:
    bench.open()
    bench.feed(1)
    bench.open(prompt="a hen")
    assert not bench.live.paint_next()
    bench.feed(2)
    bench.live.paint_next()
    assert bench.easel.begun == [("a hen", 2, False)]


@pytest.mark.parametrize(("at", "begun", "shown"), [(1, ["fox", "hen"], [9]), (3, ["fox", "hen"], [1, 9])])
def test_a_change_in_the_middle_of_a_frame_gives_it_up_early_and_not_late(
    bench: Bench, at: int, begun: list[str], shown: list[int]
) -> None:
    def between(step: int) -> None:
        if step == at and len(bench.easel.begun) == 1:
            bench.inbox.put(OpenLive(1, "a", LiveRequest("c", "hen")))
            bench.feed(9)

    bench.open(prompt="fox")
    bench.easel.between = between
    bench.feed(1)
    while bench.live.paint_next():
        pass
    assert [prompt for prompt, _, _ in bench.easel.begun] == begun
    assert bench.shown() == shown


@pytest.mark.parametrize(("prompt", "code"), [("exhaust", "out_of_memory"), ("unfit", "bad_model")])
def test_an_error_ends_its_session_alone(bench: Bench, prompt: str, code: str) -> None:
    bench.open(1, prompt)
    bench.open(2)
    for live in (1, 2):
        bench.feed(5, live)
    while bench.live.paint_next():
        pass
    (failed,) = [event for event in bench.outbox.sent if isinstance(event, LiveFailed)]
    assert (failed.live, failed.error.code) == (1, code)
    assert bench.shown() == [5]
    bench.feed(6)
    bench.live.paint_next()
    assert bench.shown() == [5], "inputs that were under way are dropped"


# ── at rest ──────────────────────────────────────────────────────────────────────────────────────────────


def rest(bench: Bench) -> None:
    bench.clock.now_s += max(0.0, bench.live.rest_left_s())
    bench.live.refine()


def test_a_canvas_at_rest_is_painted_once_more_and_better(bench: Bench) -> None:
    bench.open()
    bench.feed(1)
    bench.live.paint_next()
    assert bench.live.rest_left_s() == pytest.approx(REFINE_AFTER_S)
    bench.live.refine()
    assert len(bench.outbox.painted()) == 1, "not yet"
    rest(bench)
    painted = bench.outbox.painted()[-1]
    assert (painted.input, painted.sequence, painted.refined) == (1, 10, True)
    assert bench.live.rest_left_s() == float("inf"), "once is enough"


def test_what_was_shown_for_another_request_is_not_refined(bench: Bench) -> None:
    bench.open()
    bench.feed(1)
    bench.live.paint_next()
    bench.open(prompt="a hen")
    assert bench.live.rest_left_s() == float("inf")


def test_an_artist_who_wants_no_refinement_gets_none(bench: Bench) -> None:
    bench.open(refine_steps=-1)
    bench.feed(1)
    bench.live.paint_next()
    assert bench.live.rest_left_s() == float("inf")


@pytest.mark.parametrize("news", [FeedLive(1, 2, picture(2)), Run("1", None)])  # type: ignore[arg-type]
def test_a_refinement_gives_way_to_anything_at_once_and_comes_back_when_there_is_rest_again(
    bench: Bench, news: FeedLive | Run
) -> None:
    bench.open()
    bench.feed(1)
    bench.live.paint_next()
    bench.easel.between = lambda step: bench.inbox.put(news) if step == REFINE_STEPS - 1 else None
    rest(bench)
    assert [event.refined for event in bench.outbox.painted()] == [False]
    bench.easel.between = lambda _: None
    bench.inbox.take_runs()
    bench.live.paint_next()
    assert bench.live.rest_left_s() == pytest.approx(REFINE_AFTER_S)
    rest(bench)
    last = bench.outbox.painted()[-1]
    assert (last.refined, last.wasted_steps) == (True, 0)
    assert last.input == bench.shown()[-2]


# ── several ──────────────────────────────────────────────────────────────────────────────────────────────


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 when all have the same."""
    return sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))


def spent(bench: Bench) -> dict[str, float]:
    """Device seconds by client; sessions are numbered by client in tens."""
    used: dict[str, float] = {}
    for event in bench.outbox.painted():
        client = "abcd"[event.live // 10]
        used[client] = used.get(client, 0.0) + event.device_s
    return used


def test_four_clients_at_120_hz_share_the_device_evenly(bench: Bench) -> None:
    """Also where one asks for frames three times as dear, and one has two sessions."""
    lives = {0: 1, 10: 1, 20: 3, 30: 1, 31: 1}
    due_s = dict.fromkeys(lives, bench.clock.now_s)
    count = 0

    def pens(_step: int = 0) -> None:
        nonlocal count
        for live in lives:
            while due_s[live] <= bench.clock.now_s:
                count += 1
                due_s[live] += 1 / 120
                bench.feed(count, live)

    for live, steps in lives.items():
        bench.open(live, client="abcd"[live // 10], steps=steps)
    bench.easel.between = pens
    pens()
    while bench.clock.now_s < 130:
        bench.live.paint_next()
    used = spent(bench)
    assert jain(list(used.values())) >= 0.98, used
    both = [len(bench.outbox.painted(live)) for live in (30, 31)]
    assert abs(both[0] - both[1]) <= 1


def test_who_comes_back_from_idleness_has_no_credit(bench: Bench) -> None:
    bench.open(0, client="a")
    bench.open(10, client="b")
    for number in range(100):
        bench.feed(number, 0)
        bench.live.paint_next()
    for number in range(20):
        bench.feed(number, 0)
        bench.feed(number, 10)
        bench.live.paint_next()
    turns = [event.live for event in bench.outbox.painted()[100:]]
    assert turns.count(0) == turns.count(10) == 10


def test_between_two_steps_of_a_job_each_session_gets_one_frame_at_most(bench: Bench) -> None:
    def between(_step: int) -> None:
        for live in (1, 2, 3):
            bench.feed(50 + len(bench.easel.begun), live)

    for live in (1, 2, 3):
        bench.open(live, client=str(live))
        bench.feed(live, live)
    bench.easel.between = between
    bench.live.paint_each()
    assert sorted(event.live for event in bench.outbox.painted()) == [1, 2, 3]
    assert bench.inbox.news, "what came meanwhile waits until the job has done a step"
