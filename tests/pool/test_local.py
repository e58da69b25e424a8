"""Real worker processes, with the fake engine: they come, they die, they come back, they go."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from impasto_protocol.messages import GenerateRequest, LiveRequest, Pixels
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobStore
from impasto_server.pool.channel import (
    CloseLive,
    Ended,
    Event,
    FeedLive,
    LivePainted,
    LiveWaits,
    OpenLive,
    Progress,
    Ready,
    Run,
)
from impasto_server.pool.local import LocalPool

from tests.fakes.engine import live_pixels, painted
from tests.fakes.serve import FAKE_ENGINE


class Ear:
    """A `PoolListener` that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Event]] = []
        self.lost: list[tuple[int, tuple[str, ...]]] = []

    async def worker_event(self, worker: int, event: Event) -> None:
        self.events.append((worker, event))

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        self.lost.append((worker, unfinished))

    def ready(self) -> int:
        return sum(isinstance(event, Ready) for _, event in self.events)

    def previews(self) -> list[LivePainted]:
        return [event for _, event in self.events if isinstance(event, LivePainted)]

    def ended(self) -> dict[str, Ended]:
        return {event.job: event for _, event in self.events if isinstance(event, Ended)}


class Pools:
    """Makes pools and ends them with the test."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.made: list[LocalPool] = []

    async def start(
        self, engine: str = FAKE_ENGINE, devices: tuple[str, ...] = ("cpu",)
    ) -> tuple[LocalPool, Ear]:
        pool, ear = LocalPool(devices, self.home / "blobs", self.home, engine), Ear()
        self.made.append(pool)
        await pool.start(ear)
        return pool, ear


async def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


def run(job: str, prompt: str = "a fox", **more: int) -> Run:
    return Run(job, GenerateRequest(prompt, seed=1, **more))  # type: ignore[arg-type]


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Pools]:
    pools = Pools(tmp_path)
    yield pools
    for pool in pools.made:
        await pool.stop()


async def test_jobs_are_painted_by_a_process_that_lives_on(pools: Pools) -> None:
    pool, ear = await pools.start()
    await until(ear.ready)
    for job in ("1", "2"):
        await pool.run(0, run(job, "chatter"))
    await until(lambda: len(ear.ended()) == 2)
    stored = ear.ended()["1"].layers[0].pixels
    expected = painted(GenerateRequest("chatter", seed=1))
    assert bytes(BlobStore(pools.home / "blobs").read(stored)) == expected
    log = (pools.home / "log" / "worker.log").read_text()
    assert "libraries print what they like" in log, "what libraries print does not break the channel"
    assert "and so does C code" in log
    assert ear.lost == []


async def test_each_device_has_its_own_process(pools: Pools) -> None:
    pool, ear = await pools.start(devices=("cpu", "cpu"))
    await until(lambda: ear.ready() == 2)
    assert pool.size == 2
    assert pool.process_id(0) != pool.process_id(1)


async def test_a_killed_worker_is_reported_with_its_jobs_and_replaced(pools: Pools) -> None:
    pool, ear = await pools.start()
    await until(ear.ready)
    first = pool.process_id(0)
    assert first is not None
    await pool.run(0, run("1", steps=100_000))
    await until(lambda: any(isinstance(event, Progress) for _, event in ear.events))
    os.kill(first, signal.SIGKILL)
    await until(lambda: ear.lost)
    assert ear.lost == [(0, ("1",))]
    await until(lambda: ear.ready() == 2)
    assert pool.process_id(0) != first
    await pool.run(0, run("2"))
    await until(lambda: "2" in ear.ended())


async def test_cancelling_stops_a_real_worker_within_one_step(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0.2")
    pool, ear = await pools.start()
    await until(ear.ready)
    await pool.run(0, run("1", steps=1000))
    await until(lambda: any(isinstance(event, Progress) and event.step for _, event in ear.events))
    before = max(event.step for _, event in ear.events if isinstance(event, Progress))
    await pool.cancel(0, "1")
    await until(lambda: ear.ended())
    after = max(event.step for _, event in ear.events if isinstance(event, Progress))
    assert ear.ended()["1"].state == "cancelled"
    assert after <= before + 1


async def test_an_urgent_job_goes_through_the_gate_of_a_real_one_and_changes_no_byte_of_it(
    pools: Pools,
) -> None:
    pool, ear = await pools.start()
    await until(ear.ready)
    await pool.run(0, run("1", steps=200))
    await until(lambda: any(isinstance(event, Progress) and event.step for _, event in ear.events))
    await pool.run(0, run("2", "urgent"))
    await until(lambda: len(ear.ended()) == 2)
    assert list(ear.ended()) == ["2", "1"], "the urgent one was done first"
    stored = ear.ended()["1"].layers[0].pixels
    expected = painted(GenerateRequest("a fox", seed=1, steps=200))
    assert bytes(BlobStore(pools.home / "blobs").read(stored)) == expected


async def test_a_worker_that_never_reaches_its_gate_is_ended_by_force(pools: Pools) -> None:
    pool, ear = await pools.start("tests.pool.rogue:Sleeper")
    await until(ear.ready)
    process = pool.process_id(0)
    await pool.run(0, run("1"))
    await pool.stop()
    assert process is not None
    assert not psutil.pid_exists(process)
    assert ear.lost == [], "a pool that stops mourns nobody"


async def test_a_worker_that_announces_an_endless_frame_is_replaced(pools: Pools) -> None:
    pool, ear = await pools.start("tests.pool.rogue:Babbler")
    await until(ear.ready)
    await pool.run(0, run("1"))
    await until(lambda: ear.lost)
    assert ear.lost == [(0, ("1",))]
    await until(lambda: ear.ready() == 2)


async def test_an_engine_that_cannot_be_loaded_is_tried_again_and_the_log_says_why(pools: Pools) -> None:
    _, ear = await pools.start("tests.no_such_module:Engine")
    await until(lambda: len(ear.lost) >= 2)
    assert "no_such_module" in (pools.home / "log" / "worker.log").read_text()


def feed(number: int, side: int = 64) -> FeedLive:
    pixels = Pixels(side, side, PixelFormat.RGB8, bytes([number % 256]) * (3 * side * side))
    return FeedLive(1, number, pixels)


async def test_a_live_frame_goes_there_and_back(pools: Pools) -> None:
    pool, ear = await pools.start()
    await pool.live(0, OpenLive(1, "a", LiveRequest("c", "a fox")))  # there is no worker yet
    await until(ear.ready)
    await pool.live(0, OpenLive(1, "a", LiveRequest("c", "a fox")))
    await pool.live(0, feed(1))
    await until(lambda: ear.previews())
    assert [event for _, event in ear.events[1:3]] == [LiveWaits(1, "loading"), LiveWaits(1, "ready")]
    (preview,) = ear.previews()
    expected = live_pixels(LiveRequest("c", "a fox"), np.full((64, 64, 3), 1, np.uint8))
    assert (preview.input, preview.pixels.data) == (1, expected.tobytes())


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_a_worker_that_does_not_read_is_fed_the_newest_when_it_does(pools: Pools) -> None:
    pool, ear = await pools.start()
    await until(ear.ready)
    process = pool.process_id(0)
    assert process is not None
    await pool.live(0, OpenLive(1, "a", LiveRequest("c", "a fox")))
    os.kill(process, signal.SIGSTOP)
    pipe = pool._seats[0].process.stdin.transport  # type: ignore[union-attr]
    most = 0
    for number in range(100):
        await pool.live(0, feed(number, 512))
        most = max(most, pipe.get_write_buffer_size())
    await asyncio.sleep(0.05)
    assert most <= 2 << 20, "one input is on its way, one is held"
    os.kill(process, signal.SIGCONT)
    await until(lambda: any(event.input == 99 for event in ear.previews()))
    assert len(ear.previews()) <= 4


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_what_a_closed_session_was_to_be_fed_is_not_sent_any_more(pools: Pools) -> None:
    pool, ear = await pools.start()
    await until(ear.ready)
    process = pool.process_id(0)
    assert process is not None
    await pool.live(0, OpenLive(1, "a", LiveRequest("c", "a fox")))
    await until(lambda: len(ear.events) == 3)
    os.kill(process, signal.SIGSTOP)
    for number in range(10):
        await pool.live(0, feed(number, 512))
    await pool.live(0, CloseLive(1))
    await pool.live(0, OpenLive(2, "a", LiveRequest("c", "a fox")))
    assert pool._seats[0].held == {}
    os.kill(process, signal.SIGCONT)
    await until(lambda: isinstance(ear.events[-1][1], LiveWaits) and len(ear.events) > 3)
    assert all(event.input < 9 for event in ear.previews())


@pytest.mark.faults
def test_no_worker_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    """The worker sleeps in its engine, so that it cannot see the end of its channel by itself."""
    script = (
        "import asyncio, pathlib, sys\n"
        "from impasto_server.pool.channel import Run\n"
        "from impasto_protocol.messages import GenerateRequest\n"
        "from impasto_server.pool.local import LocalPool\n"
        "class Ear:\n"
        "    async def worker_event(self, worker, event):\n"
        "        await pool.run(0, Run('1', GenerateRequest('x')))\n"
        "        print(pool.process_id(0), flush=True)\n"
        "    async def worker_lost(self, worker, unfinished): ...\n"
        "home = pathlib.Path(sys.argv[1])\n"
        "pool = LocalPool(['cpu'], home / 'blobs', home, 'tests.pool.rogue:Sleeper')\n"
        "async def main():\n"
        "    await pool.start(Ear())\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    front = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert front.stdout is not None
    worker = psutil.Process(int(front.stdout.readline()))
    front.kill()
    front.wait()
    front.stdout.close()
    _, alive = psutil.wait_procs([worker], timeout=10)
    assert alive == []
