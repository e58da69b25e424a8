"""Cancel hits the job it names, or nothing, and takes no finished layer: 10,000 interleavings against a
model."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import pytest
from impasto_protocol.errors import UnknownJob
from impasto_protocol.messages import FINAL_STATES, GenerateRequest, JobChanged, LayerInfo, Recipe, Submit
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.jobs import Inputs, JobDesk
from impasto_server.front.journal import Journal
from impasto_server.front.scheduler import Scheduler
from impasto_server.pool.channel import Ended, Painted, Ready, Run, StoredLayer
from impasto_server.pool.interface import PoolListener

from tests.fakes.engine import MODEL

pytestmark = [pytest.mark.faults, pytest.mark.heavy]

INTERLEAVINGS = 10_000
CLIENTS = ("a" * 32, "b" * 32)
LAYERS = [
    StoredLayer(
        LayerInfo(f"take {take}", 0, 0, 1, 1, PixelFormat.RGB8, Recipe(GenerateRequest("x"), "", "")),
        BlobRef(f"{take:064x}", 1, 1, PixelFormat.RGB8),
    )
    for take in range(3)
]


class HastyPool:
    """Workers that do what real ones may do, at moments drawn by chance: jobs finish takes, end by
    themselves, or when they are cancelled, or both at once; now and then a worker dies. A cancel for a job
    that is not there changes nothing."""

    def __init__(self, draw: random.Random, size: int) -> None:
        self._draw = draw
        self.size = size
        self._stacks: list[list[str]] = [[] for _ in range(size)]
        self._cancelled: set[str] = set()
        self._takes: dict[str, int] = {}
        self._painted: dict[str, int] = {}
        self._listener: PoolListener | None = None
        self.asked: set[str] = set()  # all jobs ever cancelled, by the worker's name for them

    async def start(self, listener: PoolListener) -> None:
        self._listener = listener
        for worker in range(self.size):
            await listener.worker_event(worker, Ready("cpu", [MODEL]))

    async def run(self, worker: int, command: Run) -> None:
        await self._some_time()
        self._stacks[worker].append(command.job)
        self._takes[command.job], self._painted[command.job] = command.generate.takes, 0

    async def cancel(self, worker: int, job: str) -> None:
        await self._some_time()
        self.asked.add(job)
        if job in self._stacks[worker]:
            self._cancelled.add(job)

    async def stop(self) -> None: ...

    async def act(self) -> None:
        """One worker does one thing."""
        assert self._listener is not None
        worker = self._draw.randrange(self.size)
        stack = self._stacks[worker]
        if not stack:
            return
        if self._draw.random() < 0.02:
            jobs = tuple(stack)
            stack.clear()
            self._cancelled.difference_update(jobs)
            await self._listener.worker_lost(worker, jobs)
            await self._some_time()
            await self._listener.worker_event(worker, Ready("cpu", [MODEL]))
            return
        if self._painted[stack[-1]] < self._takes[stack[-1]] - 1 and self._draw.random() < 0.6:
            job = stack[-1]
            self._painted[job] += 1
            await self._listener.worker_event(worker, Painted(job, LAYERS[: self._painted[job]]))
            return
        job = stack.pop()
        state = "cancelled" if job in self._cancelled and self._draw.random() < 0.7 else "done"
        self._cancelled.discard(job)
        count = self._takes[job] if state == "done" else self._painted[job]
        await self._listener.worker_event(worker, Ended(job, state, 0.01, LAYERS[:count]))

    async def _some_time(self) -> None:
        for _ in range(self._draw.randrange(3)):
            await asyncio.sleep(0)


class PromptJournal(Journal):
    """Works on the event loop, after a while drawn by chance: the thread would take the most time."""

    draw: random.Random

    async def _in_thread(self, work, *values, **named):  # type: ignore[no-untyped-def]
        for _ in range(self.draw.randrange(3)):
            await asyncio.sleep(0)
        return self._guarded(work, values, named)


class Model:
    """What each job may end as, as far as clients can know."""

    def __init__(self) -> None:
        self.heard: dict[tuple[str, str], list[str]] = {}
        self.finished: dict[tuple[str, str], list[int]] = {}  # layers, with each state
        self.takes: dict[tuple[str, str], int] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.promised: set[tuple[str, str]] = set()  # cancel returned, and "cancelled" was the answer

    def hear(self, client: str, message: object) -> None:
        if isinstance(message, JobChanged):
            self.heard.setdefault((client, message.job), []).append(message.state)
            self.finished.setdefault((client, message.job), []).append(len(message.layers))

    def check(self, job: tuple[str, str]) -> str:
        states = self.heard[job]
        final = [state for state in states if state in FINAL_STATES]
        assert final, f"{job} never ended: {states}"
        assert set(final) == {final[0]}, f"{job} ended twice: {states}"
        first = states.index(final[0])
        assert all(state in FINAL_STATES for state in states[first:]), (
            f"{job} went on after its end: {states}"
        )
        finished = self.finished[job]
        assert finished == sorted(finished), f"{job} lost a finished take: {finished}"
        assert set(finished[first:]) == {finished[-1]}, f"{job} painted on after its end: {finished}"
        assert (final[0] == "done") == (finished[-1] == self.takes[job]), f"{job} ended with {finished[-1]}"
        if not self.asked[job]:
            assert final[0] != "cancelled", f"{job} was cancelled and nobody had asked"
        if job in self.promised:
            assert final[0] == "cancelled", f"{job} was promised to be cancelled: {states}"
        return final[0]


async def one_interleaving(
    number: int, draw: random.Random, desk: JobDesk, pool: HastyPool, model: Model
) -> list[str]:
    """Jobs of two clients, some under the same name, and cancels of all kinds, in a random order."""
    jobs = [(client, f"{number:031x}{which}") for client in CLIENTS for which in range(draw.randint(1, 2))]
    actions: list[Awaitable[None]] = []

    async def submit(client: str, job: str, urgency: str) -> None:
        takes = model.takes.setdefault((client, job), draw.randint(1, 3))
        await desk.submit(client, Submit(job, GenerateRequest("x", takes=takes), urgency), Inputs())

    async def cancel(client: str, job: str) -> None:
        model.asked[client, job] += 1
        try:
            await desk.cancel(client, job)
        except UnknownJob:
            model.asked[client, job] -= 1  # it came before its submit
            return
        if model.heard[client, job][-1] == "cancelled":
            model.promised.add((client, job))

    async def cancel_as_stranger(job: str) -> None:
        with pytest.raises(UnknownJob):
            await desk.cancel("c" * 32, job)

    for client, job in jobs:
        actions.append(submit(client, job, draw.choice(("interactive", "batch"))))
        if draw.random() < 0.4:
            actions += [cancel(client, job) for _ in range(draw.randint(1, 2))]
        if draw.random() < 0.1:
            actions.append(cancel_as_stranger(job))
    draw.shuffle(actions)
    tasks = []
    for action in actions:
        tasks.append(asyncio.ensure_future(action))
        for _ in range(draw.randrange(4)):
            await asyncio.sleep(0)
        if draw.random() < 0.5:
            await pool.act()
    await asyncio.gather(*tasks)
    while not all(model.heard[job][-1] in FINAL_STATES for job in jobs):
        await pool.act()
        await asyncio.sleep(0)
    return [model.check(job) for job in jobs]


async def test_ten_thousand_interleavings_without_a_wrong_cancel(tmp_path: Path) -> None:
    draw = random.Random(20260)
    pool = HastyPool(draw, 2)
    blobs = BlobStore(tmp_path / "blobs")
    journal = PromptJournal(tmp_path / "journal.sqlite", blobs)
    journal.draw = draw
    desk = JobDesk(journal, Scheduler(workers=2), pool, blobs, DEFAULT_LIMITS)
    await desk.start()
    assert journal._database is not None
    journal._database.execute("PRAGMA synchronous = OFF")  # the order of things is the subject, not the disk
    model = Model()
    for client in CLIENTS:
        subscription = await desk.subscribe(
            client, 0, lambda message, client=client: model.hear(client, message)
        )
        subscription.start()
    ends: list[str] = []
    for number in range(INTERLEAVINGS):
        ends += await one_interleaving(number, draw, desk, pool, model)
    await desk.stop()
    assert ends.count("cancelled") > INTERLEAVINGS / 10, "too few cancels to say anything"
    kept = [job for job, states in model.heard.items() if "cancelled" in states and model.finished[job][-1]]
    assert len(kept) > INTERLEAVINGS / 100, "too few takes that a cancel left to say anything"
    assert ends.count("done") > INTERLEAVINGS
