"""A pool without processes: tests decide what its workers say, and when."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
from impasto_protocol.errors import WorkerCrashed
from impasto_protocol.messages import ErrorInfo, LayerInfo, Pixels, Recipe
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobStore
from impasto_server.pool.channel import (
    Ended,
    FeedLive,
    LiveCommand,
    LiveEvent,
    LivePainted,
    Painted,
    Progress,
    Ready,
    Run,
    StoredLayer,
)
from impasto_server.pool.interface import PoolListener
from impasto_server.pool.memory import each_picture, owned

from tests.fakes.engine import MODEL


class FakePool:
    """Implements `WorkerPool`. `runs`, `cancels` and `lives` record what the front asked for, oldest first.
    Without `blobs` it paints no jobs."""

    def __init__(self, blobs: BlobStore | None = None, size: int = 1) -> None:
        self._blobs = blobs
        self._size = size
        self.listener: PoolListener | None = None
        self.runs: list[tuple[int, Run]] = []
        self.cancels: list[tuple[int, str]] = []
        self.lives: list[tuple[int, LiveCommand]] = []
        self.running: list[list[Run]] = [[] for _ in range(size)]

    @property
    def size(self) -> int:
        return self._size

    async def start(self, listener: PoolListener) -> None:
        self.listener = listener

    async def run(self, worker: int, command: Run) -> None:
        self.runs.append((worker, command))
        self.running[worker].append(command)

    async def cancel(self, worker: int, job: str) -> None:
        self.cancels.append((worker, job))

    async def live(self, worker: int, command: LiveCommand) -> None:
        if isinstance(command, FeedLive):
            command = each_picture(command, owned)
        self.lives.append((worker, command))

    async def stop(self) -> None:
        self.listener = None

    # ── what tests let happen ────────────────────────────────────────────────────────────────────────────

    async def come_up(self, worker: int = 0) -> None:
        assert self.listener is not None
        await self.listener.worker_event(worker, Ready("cpu fake", [MODEL]))

    async def progress(self, worker: int = 0, step: int = 1) -> None:
        assert self.listener is not None
        job = self.running[worker][-1].job
        await self.listener.worker_event(worker, Progress(job, "sampling", step, 4))

    async def paint(self, count: int, worker: int = 0) -> None:
        """The job that holds the device has finished `count` of its small layers."""
        assert self.listener is not None
        command = self.running[worker][-1]
        layers = [self._layer(command, take) for take in range(count)]
        await self.listener.worker_event(worker, Painted(command.job, layers))

    async def end(
        self,
        worker: int = 0,
        state: str = "done",
        device_s: float = 1.0,
        job: str | None = None,
        finished: int = 0,
    ) -> None:
        """The job that holds the device, or `job`, ends; done: with all its small layers, else with those
        that are `finished`."""
        assert self.listener is not None
        command = next(run for run in reversed(self.running[worker]) if job in (None, run.job))
        count = command.generate.layers if state == "done" else finished
        layers, error = [self._layer(command, take) for take in range(count)], None
        self.running[worker].remove(command)
        if state == "failed":
            error = ErrorInfo(WorkerCrashed.code, "The test says so.")
        await self.listener.worker_event(worker, Ended(command.job, state, device_s, layers, error))

    async def tell(self, event: LiveEvent, worker: int = 0) -> None:
        """A preview's pixels are there during the call only, as with workers that share memory."""
        assert self.listener is not None
        if not isinstance(event, LivePainted):
            await self.listener.worker_event(worker, event)
            return
        passing = bytearray(event.pixels.data or b"")
        pixels = dataclasses.replace(event.pixels, data=memoryview(passing))  # type: ignore[arg-type]
        await self.listener.worker_event(worker, msgspec.structs.replace(event, pixels=pixels))
        passing[:] = bytes(len(passing))

    async def paint_live(self, pixels: Pixels, worker: int = 0, **more: Any) -> FeedLive:
        """The newest live input has been painted. Returns it."""
        fed = self.fed()[-1]
        await self.tell(LivePainted(fed.live, fed.input, pixels, 0.01, sequence=fed.sequence, **more), worker)
        return fed

    def fed(self) -> list[FeedLive]:
        return [command for _, command in self.lives if isinstance(command, FeedLive)]

    async def die(self, worker: int = 0) -> None:
        assert self.listener is not None
        jobs, self.running[worker] = self.running[worker], []
        await self.listener.worker_lost(worker, tuple(run.job for run in jobs))

    def _layer(self, command: Run, take: int = 0) -> StoredLayer:
        assert self._blobs is not None
        pixels = command.generate.prompt.encode().ljust(16)[: 16 - take] + bytes(take)
        recipe = Recipe(command.generate, "Fake", "0" * 64)
        info = LayerInfo("layer", 0, 0, 2, 2, PixelFormat.RGBA8, recipe)
        return StoredLayer(info, self._blobs.put(pixels, 2, 2, PixelFormat.RGBA8))
