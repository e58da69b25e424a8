"""A server that paints nothing: what is left is the wire. `python -m impasto_server.bench.idle`."""

from __future__ import annotations

import asyncio

from impasto_protocol import places

from impasto_server.config import Config
from impasto_server.front.app import serve
from impasto_server.pool.channel import LiveCommand, Run
from impasto_server.pool.interface import PoolListener


class IdlePool:
    """One worker that never gets ready."""

    size = 1

    async def start(self, listener: PoolListener) -> None: ...

    async def run(self, worker: int, command: Run) -> None: ...

    async def cancel(self, worker: int, job: str) -> None: ...

    async def live(self, worker: int, command: LiveCommand) -> None: ...

    async def stop(self) -> None: ...


if __name__ == "__main__":
    asyncio.run(serve(Config(places.home(), port=0), IdlePool()))
