"""The server as a whole.

serve ─ only_server (one per home) ─ bind (loopback) ─ journal, job desk, live desk, pool
      └ listening: Gate → aiohttp → guard (host, origin, token) → GET /v1/health
                                                                 → GET /v1  Connection
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from impasto_protocol import places

from impasto_server.blobs import BlobStore
from impasto_server.config import Config
from impasto_server.front.auth import ServerInfo
from impasto_server.front.jobs import JobDesk
from impasto_server.front.journal import Journal
from impasto_server.front.listening import bind, listening, make_app
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.lock import only_server
from impasto_server.front.scheduler import Scheduler
from impasto_server.pool.interface import WorkerPool

__all__ = ["ServerInfo", "make_app", "serve"]

log = logging.getLogger(__name__)


async def serve(
    config: Config, pool: WorkerPool, *, on_ready: Callable[[ServerInfo], None] | None = None
) -> None:
    """Runs a server until SIGTERM, SIGINT or cancellation. Unfinished jobs go on at the next start.

    Raises `AlreadyRunning` for a second server in one home, `PortTaken`, and `DiskFull` from the journal.
    """
    stop = asyncio.Event()
    with only_server(config.home), bind(config) as listener, _stopped_by_signals(stop):
        blobs = BlobStore(places.blob_folder(config.home))
        journal = Journal(places.journal_file(config.home), blobs, retention_s=config.retention_s)
        scheduler = Scheduler(time.monotonic, pool.size)
        desk = JobDesk(journal, scheduler, pool, blobs, config.limits)
        live = LiveDesk(pool, scheduler)
        try:
            await desk.start(live)
            async with listening(config, desk, live, listener) as info:
                log.info("Listening on %s:%d", info.host, info.port)
                if on_ready is not None:
                    on_ready(info)
                await stop.wait()
        finally:
            await desk.stop()


@contextmanager
def _stopped_by_signals(stop: asyncio.Event) -> Iterator[None]:
    """Sets `stop` on SIGTERM or SIGINT. Elsewhere than in the main thread Python has no signals to offer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    try:
        yield
    finally:
        for number, handler in before.items():
            with suppress(TypeError, ValueError):  # a handler that was not set from Python cannot be put back
                signal.signal(number, handler)
