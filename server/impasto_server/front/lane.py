"""The order in which the messages of one connection are carried out.

What touches only the connection is done while its message is read. What needs the job desk runs in a lane, in
the order it came, so that strokes go on while a large picture is being stored; what may overtake runs beside
it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from impasto_protocol.messages import ClientMessage

__all__ = ["Lane", "Work"]

LANE_LENGTH = 64  # messages waiting; more make the reader wait, and so the client
FREE_TASKS = 32

Work = Callable[[], Awaitable[None]]


class Lane:
    """`guarded` runs what a message asks for and answers what goes wrong; `spawn` runs it as a task that ends
    with the connection.
    """

    def __init__(
        self,
        guarded: Callable[[ClientMessage, Work], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._guarded = guarded
        self._spawn = spawn
        self._waiting: asyncio.Queue[tuple[ClientMessage, Work]] = asyncio.Queue(LANE_LENGTH)
        self._free = 0

    async def run(self) -> None:
        """One message after another, until cancelled."""
        while True:
            await self._guarded(*await self._waiting.get())

    async def queue(self, message: ClientMessage, work: Work) -> None:
        await self._waiting.put((message, work))

    async def overtake(self, message: ClientMessage, work: Work) -> None:
        """Runs at once, beside the lane; in the lane when too much does so already."""
        if self._free >= FREE_TASKS:
            await self.queue(message, work)
            return
        self._free += 1

        async def free() -> None:
            try:
                await self._guarded(message, work)
            finally:
                self._free -= 1

        self._spawn(free())
