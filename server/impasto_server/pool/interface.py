"""The one way the front sees workers. Local processes, Ray actors and fakes for tests are interchangeable."""

from __future__ import annotations

from typing import Protocol

from impasto_server.pool.channel import Event, LiveCommand, Run


class PoolListener(Protocol):
    """What the front hears. Called on the event loop, in the order things happened on each worker."""

    async def worker_event(self, worker: int, event: Event) -> None:
        """The pixels of a `LivePainted` may change after the call: copy what is to stay."""
        ...

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        """The worker died with these jobs unfinished. The pool is already starting another in its place."""
        ...


class Listeners:
    """Several listeners as one: each hears everything, one after the other, and passes over what is not for
    it."""

    def __init__(self, *listeners: PoolListener) -> None:
        self._listeners = listeners

    async def worker_event(self, worker: int, event: Event) -> None:
        for listener in self._listeners:
            await listener.worker_event(worker, event)

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        for listener in self._listeners:
            await listener.worker_lost(worker, unfinished)


class WorkerPool(Protocol):
    """Worker numbers run from 0 to `size - 1` and stay the same over restarts."""

    @property
    def size(self) -> int: ...

    async def start(self, listener: PoolListener) -> None:
        """Starts the workers; returns at once. Each says `Ready` when it can take jobs."""
        ...

    async def run(self, worker: int, command: Run) -> None: ...

    async def cancel(self, worker: int, job: str) -> None: ...

    async def live(self, worker: int, command: LiveCommand) -> None:
        """Live sessions end with their worker: who opened them opens them again on the next `Ready`.

        The pixels of a `FeedLive` may change after the call: the pool has copied what it needs.
        """
        ...

    async def stop(self) -> None:
        """Ends all workers within a few seconds, by force if need be."""
        ...


__all__ = ["Listeners", "PoolListener", "WorkerPool"]
