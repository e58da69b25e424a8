"""`python -m tests.fakes.serve HOME [PORT]`: a real server with real worker processes and the fake engine.

Says `ready PORT` on stdout once it listens, and runs until it is told to stop.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from impasto_protocol import places
from impasto_server.config import Config
from impasto_server.front.app import ServerInfo, serve
from impasto_server.pool.local import LocalPool

FAKE_ENGINE = "tests.fakes.engine:FakeEngine"


def make_pool(home: Path, devices: tuple[str, ...] = ("cpu",)) -> LocalPool:
    return LocalPool(devices, places.blob_folder(home), home, engine=FAKE_ENGINE)


def main() -> None:
    home = Path(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0

    def on_ready(info: ServerInfo) -> None:
        print("ready", info.port, flush=True)

    asyncio.run(serve(Config(home=home, port=port), make_pool(home), on_ready=on_ready))


if __name__ == "__main__":
    main()
