"""`python -m impasto_server.worker --engine MODULE:FACTORY --device D --home H`, as a pool starts it.

The channel takes stdin and stdout for itself before anything else is imported: what libraries print goes to
stderr, which the pool leads to worker.log, and what they read is empty.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from impasto_protocol import places

from impasto_server.blobs import BlobStore
from impasto_server.engine.interface import Engine
from impasto_server.pool.memory import PictureMemory
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.loop import Worker

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
FAREWELL_S = 2.0
_PIPE_BYTES = 1 << 20  # what anybody may have on Linux; more has not made anything faster


def main() -> int:
    parser = argparse.ArgumentParser(prog="impasto_server.worker")
    parser.add_argument("--engine", required=True, metavar="MODULE:FACTORY")
    parser.add_argument("--device", required=True)
    parser.add_argument("--home", required=True, type=Path)
    parser.add_argument("--blobs", type=Path)
    parser.add_argument("--memory", type=Path, help="folder of shared memory; default: all goes in frames")
    arguments = parser.parse_args()

    commands, events = _take_channel()
    _die_with_parent()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s",
    )
    memory = PictureMemory(arguments.memory)
    inbox, outbox = Inbox(), Outbox(events, memory)
    reading = (commands, memory, outbox.send)
    threading.Thread(target=inbox.read, args=reading, name="inbox", daemon=True).start()
    engine = _make_engine(arguments.engine, arguments.device, arguments.home)
    blobs = BlobStore(arguments.blobs or places.blob_folder(arguments.home))
    Worker(engine, blobs, inbox, outbox).serve()
    outbox.flush(FAREWELL_S)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(0)  # no library's exit handlers: all that counts is on disk


def _take_channel() -> tuple[BinaryIO, BinaryIO]:
    """Private copies of stdin and stdout; afterwards fd 0 is empty and fd 1 is stderr."""
    commands, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (commands, events):
            msvcrt.setmode(descriptor, os.O_BINARY)
    _widen(commands, events)
    return os.fdopen(commands, "rb"), os.fdopen(events, "wb")


def _widen(*pipes: int) -> None:
    """A live frame then goes in one write and costs one switch between the processes, not one for every
    64 KiB.
    """
    if sys.platform == "linux":
        import fcntl

        for pipe in pipes:
            with contextlib.suppress(OSError):  # not a pipe, or the user has too many large ones
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _die_with_parent() -> None:
    """A worker whose server was killed must not go on holding the device. The end of stdin says so
    everywhere, but only to a process that still reads; Linux kills without asking. Ctrl+C is for the server,
    which tells us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _make_engine(name: str, device: str, home: Path) -> Engine:
    module, _, factory = name.partition(":")
    engine: Engine = getattr(importlib.import_module(module), factory)(device=device, home=home)
    return engine


if __name__ == "__main__":
    sys.exit(main())
