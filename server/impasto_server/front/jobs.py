"""The desk where jobs are handed in and results are handed out. (Public signatures; bodies follow.)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from impasto_protocol.messages import JobChanged, JobProgress, JobSummary, ModelInfo, Pixels, Submit

Deliver = Callable[[JobChanged | JobProgress], None]  # must not block, must not raise: append to a send queue


@dataclass(frozen=True)
class Inputs:
    """The pixels behind the CanvasRefs of a Submit, as they stood at its sequence. `data` (bytes or memoryview) must
    not change until `submit` has returned. None where the request has None or an InputRef."""

    image: Pixels | None = None
    mask: Pixels | None = None


class Subscription(Protocol):
    newest_event: int  # for Welcome.last_event

    def start(self) -> None:
        """Delivers what the client missed, then all that happens, in the order of events. Call after Welcome."""

    def close(self) -> None:
        """No more deliveries. Idempotent."""


class JobDesk:
    # JobDesk(journal, scheduler, pool, blobs, limits, clock=...)
    async def start(self) -> None: """Sweeps, requeues interrupted jobs, starts the pool."""
    async def stop(self) -> None: """Stops the pool, closes the journal. Unfinished jobs go on at the next start."""

    async def subscribe(self, client: str, last_event: int, deliver: Deliver) -> Subscription:
        """Several connections of one client may subscribe at once; each hears of all jobs of the client."""

    async def submit(self, client: str, submit: Submit, inputs: Inputs) -> None:
        """Accepts a job durably; JobChanged(queued) goes out through the client's subscriptions (for an id that is
        already known: its newest JobChanged again). Raises RequestError leaves, QueueFull, DiskFull: answer those
        with Problem(job=submit.job)."""

    async def cancel(self, client: str, job: str) -> None:
        """JobChanged goes out through the subscriptions. Raises UnknownJob."""

    async def forget(self, client: str, job: str) -> None: """Idempotent, answers nothing, raises nothing typed but DiskFull."""
    async def jobs(self, client: str) -> tuple[JobSummary, ...]: ...
    async def layer(self, client: str, job: str, index: int, y: int, height: int) -> Pixels:
        """Rows of a layer; `data` is a read-only memoryview over a file mapping (no copy). Raises UnknownJob, BadValue, NoSuchInput."""
    async def input(self, client: str, digest: str, y: int, height: int) -> Pixels: """As `layer`. Raises NoSuchInput, BadValue."""
    async def models(self) -> tuple[ModelInfo, ...]: """Waits for the first worker. Raises WorkerCrashed if none comes up."""
    @property
    def device(self) -> str | None: """None until a worker is ready."""
