"""Serves the front with the fake desk until it is told to stop. Prints its port and its token."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from pathlib import Path

from tests.front.harness import served


async def main(home: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with served(home) as server:
        server.desk.workers.set()
        server.pool.lives = deque(maxlen=10)  # type: ignore[assignment]  # it remembers everything else
        await server.pool.come_up()
        print(server.info.port, server.info.token, flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
