"""A server that notes what its live sessions cost: `python -m impasto_server.bench.live.noted ENGINE`.

Real front, real worker process. Of every input it notes when it came to the front and when it had been handed
to the worker's pipe, of every frame when its painting began and how long it held the device, of every job
how long that did; all by `time.monotonic`, which the processes of one machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from impasto_protocol import places

from impasto_server.config import Config
from impasto_server.pool.channel import Ended, Event, FeedLive, LiveCommand, LivePainted, OpenLive
from impasto_server.pool.interface import PoolListener
from impasto_server.pool.local import DIFFUSION_ENGINE, LocalPool

__all__ = ["ENGINES", "MODULE", "PRODUCT_ENGINE", "notes"]

MODULE = "impasto_server.bench.live.noted"
ENGINES = "impasto_server.bench.live.engines"
PRODUCT_ENGINE = DIFFUSION_ENGINE
_FILE = "noted.jsonl"

Note = Callable[..., None]


def notes(home: Path) -> list[dict[str, Any]]:
    """What has been noted so far, oldest first."""
    return [json.loads(line) for line in (home / _FILE).read_text("utf-8").splitlines()]


class NotingPool(LocalPool):
    def __init__(self, home: Path, engine: str, file: TextIO) -> None:
        super().__init__(["cpu"], places.blob_folder(home), home, engine=engine)
        self._file = file

    async def start(self, listener: PoolListener) -> None:
        await super().start(_Listener(listener, self._note))

    async def live(self, worker: int, command: LiveCommand) -> None:
        await super().live(worker, command)
        if isinstance(command, OpenLive):
            self._note("opened", live=command.live, client=command.client)
        elif isinstance(command, FeedLive):
            self._note("fed", live=command.live, input=command.input, came_s=command.at_s)

    def _note(self, what: str, **values: Any) -> None:
        self._file.write(json.dumps({"what": what, "at_s": time.monotonic(), **values}) + "\n")
        self._file.flush()


class _Listener:
    """Hears what the front hears, and before it."""

    def __init__(self, front: PoolListener, note: Note) -> None:
        self._front = front
        self._note = note

    async def worker_event(self, worker: int, event: Event) -> None:
        if isinstance(event, LivePainted):
            self._note(
                "painted",
                live=event.live,
                input=event.input,
                refined=event.refined,
                device_s=event.device_s,
                waited_ms=event.stages.get("waited", 0.0),
            )
        elif isinstance(event, Ended):
            self._note("ended", device_s=event.device_s)
        await self._front.worker_event(worker, event)

    async def worker_lost(self, worker: int, unfinished: tuple[str, ...]) -> None:
        await self._front.worker_lost(worker, unfinished)


def _main(engine: str) -> None:
    from impasto_server.front.app import serve

    home = places.home()
    with (home / _FILE).open("a") as file:
        asyncio.run(serve(Config(home, port=0), NotingPool(home, engine, file)))


if __name__ == "__main__":
    _main(sys.argv[1])
