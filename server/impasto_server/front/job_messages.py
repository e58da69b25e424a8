"""What a connection's messages about jobs do: they go to the job desk, most of them through the lane."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from impasto_protocol.errors import BadValue, RequestError
from impasto_protocol.messages import (
    Annotate,
    Cancel,
    CanvasRef,
    FetchInput,
    FetchLayer,
    FetchThumbnail,
    Forget,
    InputPixels,
    JobChanged,
    JobList,
    JobProgress,
    JobSummary,
    LayerPixels,
    ListJobs,
    ListModels,
    ModelInfo,
    ModelList,
    Pixels,
    Submit,
    ThumbnailPixels,
)

from impasto_server.front.canvases import Canvases, Snapshot
from impasto_server.front.jobs import Inputs
from impasto_server.front.lane import Lane
from impasto_server.front.sending import Sender

__all__ = ["Desk", "JobMessages", "Subscription"]

SUBMITS_WAITING = 4  # each may hold a copy of a canvas

_JOB = re.compile(r"[0-9a-f]{32}")

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


class JobMessages:
    """`started` keeps changes of the journal that are under way: they outlive the connection."""

    def __init__(
        self,
        desk: Desk,
        client: str,
        canvases: Canvases,
        lane: Lane,
        sender: Sender,
        started: set[asyncio.Task[Any]],
    ) -> None:
        self._desk = desk
        self._client = client
        self._canvases = canvases
        self._lane = lane
        self._sender = sender
        self._started = started
        self._submitting: set[str] = set()
        self._slots = asyncio.Semaphore(SUBMITS_WAITING)

    async def submit(self, message: Submit) -> None:
        """Takes the canvases as they stand now; the desk stores them while the reader goes on."""
        if not _JOB.fullmatch(message.job):
            raise BadValue("A job's id is 32 hex digits.")
        await self._slots.acquire()
        self._submitting.add(message.job)
        await self._lane.queue(message, partial(self._hand_in, message, self._taken(message)))

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
        try:
            if isinstance(taken, dict):
                await self._unbroken(_submitted(self._desk, self._client, message, taken))
                return
            # After a reconnect a client may submit again what it never saw accepted. Its canvases went with
            # the old connection; if the job is known they are not needed.
            if message.job not in {summary.job for summary in await self._desk.jobs(self._client)}:
                raise taken
            await self._unbroken(self._desk.submit(self._client, message, Inputs()))
        finally:
            self._submitting.discard(message.job)
            self._slots.release()

    async def _unbroken(self, change: Coroutine[Any, Any, T]) -> T:
        """Runs a change of the journal to its end, also when this connection ends before."""
        task = asyncio.ensure_future(change)
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        return await asyncio.shield(task)

    async def cancel(self, message: Cancel) -> None:
        async def work() -> None:
            await self._unbroken(self._desk.cancel(self._client, message.job))

        if message.job in self._submitting:  # it must not come before its job
            await self._lane.queue(message, work)
        else:
            await self._lane.overtake(message, work)

    async def forget(self, message: Forget) -> None:
        async def work() -> None:
            await self._unbroken(self._desk.forget(self._client, message.job))

        await self._lane.queue(message, work)

    async def annotate(self, message: Annotate) -> None:
        async def work() -> None:
            change = self._desk.annotate(self._client, message.job, message.note)
            await self._sender.answer(JobList(message.request, (await self._unbroken(change),)))

        await self._lane.queue(message, work)

    async def fetch_layer(self, message: FetchLayer) -> None:
        async def work() -> None:
            rows = (message.layer, message.y, message.height)
            pixels = await self._desk.layer(self._client, message.job, *rows)
            await self._sender.send_pixels(LayerPixels(message.request, message.y, pixels))

        await self._lane.queue(message, work)

    async def fetch_thumbnail(self, message: FetchThumbnail) -> None:
        async def work() -> None:
            which = (message.job, message.layer, message.longest_px)
            pixels = await self._desk.thumbnail(self._client, *which)
            await self._sender.send_pixels(ThumbnailPixels(message.request, pixels))

        await self._lane.queue(message, work)

    async def fetch_input(self, message: FetchInput) -> None:
        async def work() -> None:
            pixels = await self._desk.input(self._client, message.digest, message.y, message.height)
            await self._sender.send_pixels(InputPixels(message.request, message.y, pixels))

        await self._lane.queue(message, work)

    async def list_jobs(self, message: ListJobs) -> None:
        async def work() -> None:
            await self._sender.room()  # first: what is listed shall be true when it leaves
            self._sender.send(JobList(message.request, await self._desk.jobs(self._client)))

        await self._lane.queue(message, work)

    async def list_models(self, message: ListModels) -> None:
        async def work() -> None:
            await self._sender.answer(ModelList(message.request, await self._desk.models()))

        await self._lane.overtake(message, work)


async def _submitted(desk: Desk, client: str, message: Submit, taken: dict[str, Snapshot]) -> None:
    try:
        await desk.submit(client, message, Inputs({role: one.pixels for role, one in taken.items()}))
    finally:
        _release_all(taken)


def _release_all(taken: dict[str, Snapshot]) -> None:
    for snapshot in taken.values():
        snapshot.release()
