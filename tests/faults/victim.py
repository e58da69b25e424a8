"""`python -m tests.faults.victim HOME LIFE KILL_AT WHEN`: a server's inner half that dies as told.

Real desk, journal, blob store, pool and worker process; its clients are in here too. What they were promised,
and what they heard, goes to HOME/promises, flushed line by line, before they go on: what a client would
remember.

LIFE 0 hands nothing in, waits until all jobs are finished, and ends. Other lives hand in jobs of their own.
KILL_AT n > 0: SIGKILL at the n-th transaction of the journal, WHEN it is about to begin ("before") or has
been committed and nobody knows yet ("after").
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from impasto_protocol.messages import (
    FINAL_STATES,
    CanvasRef,
    Control,
    GenerateRequest,
    JobChanged,
    JobProgress,
    Pixels,
    Submit,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobStore
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.jobs import Inputs, JobDesk
from impasto_server.front.journal import Journal
from impasto_server.front.scheduler import Scheduler

from tests.fakes.serve import make_pool

CLIENTS = ("a" * 32, "b" * 32)
IMAGE = Pixels(8, 8, PixelFormat.RGB8, bytes(range(192)))
SKETCH = Pixels(8, 8, PixelFormat.GRAY8, bytes(range(64)))


class MortalJournal(Journal):
    kill_at = 0
    when = ""
    count = 0

    def _transaction(self):  # type: ignore[no-untyped-def]
        outer, inner = self, super()._transaction()

        class Deadly:
            def __enter__(self):  # type: ignore[no-untyped-def]
                outer.count += 1
                outer._die("before")
                return inner.__enter__()

            def __exit__(self, *problem: object) -> None:
                inner.__exit__(*problem)  # type: ignore[arg-type]
                outer._die("after")

        return Deadly()

    def _die(self, now: str) -> None:
        if self.count == self.kill_at and now == self.when:
            os.kill(os.getpid(), signal.SIGKILL)


class Client:
    """Writes down what it is promised and what it hears."""

    def __init__(self, name: str, desk: JobDesk, promises: Path) -> None:
        self.name = name
        self.desk = desk
        self.promises = promises
        self.states: dict[str, str] = {}
        self.layers: dict[str, int] = {}  # finished ones

    def note(self, *words: object) -> None:
        with self.promises.open("a") as file:
            print(self.name, *words, file=file)
            file.flush()
            os.fsync(file.fileno())

    def hear(self, message: JobChanged | JobProgress) -> None:
        if isinstance(message, JobChanged):
            self.hear_quietly(message)
            self.note("heard", message.event, message.job, message.state, len(message.layers))

    def hear_quietly(self, message: JobChanged | JobProgress) -> None:
        if isinstance(message, JobChanged):
            self.states[message.job] = message.state
            self.layers[message.job] = len(message.layers)

    async def submit(
        self, job: str, seed: int, with_image: bool = False, steps: int = 6, takes: int = 1
    ) -> None:
        request = GenerateRequest("a fox", seed=seed, steps=steps, takes=takes)
        pictures = {}
        if with_image:
            canvas = CanvasRef("c", 1)
            request = replace(request, image=canvas, controls=(Control("scribble", canvas),))
            pictures = {"image": IMAGE, "control 1": SKETCH}
        await self.desk.submit(self.name, Submit(job, request), Inputs(pictures))
        self.note("accepted", job)

    async def cancel(self, job: str) -> None:
        await self.desk.cancel(self.name, job)
        if self.states[job] == "cancelled":
            self.note("cancelled", job)

    async def finished(self, job: str) -> None:
        await _until(lambda: self.states.get(job) in FINAL_STATES)

    async def one_take_finished(self, job: str) -> None:
        await _until(lambda: self.layers.get(job))


async def _until(holds: Callable[[], object]) -> None:
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def main(home: Path, life: int, kill_at: int, when: str) -> None:
    blobs = BlobStore(home / "blobs")
    journal = MortalJournal(home / "journal.sqlite", blobs)
    journal.kill_at, journal.when = kill_at, when
    desk = JobDesk(journal, Scheduler(workers=1), make_pool(home), blobs, DEFAULT_LIMITS)
    await desk.start()
    clients = [Client(name, desk, home / "promises") for name in CLIENTS]
    if life:
        print("alive", flush=True)
        for client in clients:
            (await desk.subscribe(client.name, sys.maxsize, client.hear)).start()
        await live(*clients, life)
    else:
        for client in clients:
            (await desk.subscribe(client.name, 0, client.hear_quietly)).start()
            await asyncio.gather(*[client.finished(summary.job) for summary in await desk.jobs(client.name)])
    await desk.stop()


async def live(one: Client, two: Client, life: int) -> None:
    jobs = [f"{life:016x}{number:016x}" for number in range(4)]
    await asyncio.gather(one.submit(jobs[0], 0, steps=3, takes=2), two.submit(jobs[1], 1, with_image=True))
    await one.submit(jobs[2], 2, steps=2, takes=3)
    await one.submit(jobs[3], 3, steps=4, takes=4)
    await one.one_take_finished(jobs[3])
    await one.cancel(jobs[3])
    await asyncio.gather(one.finished(jobs[0]), two.finished(jobs[1]), one.finished(jobs[2]))
    one.note("forgetting", jobs[0])
    await one.desk.forget(one.name, jobs[0])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
