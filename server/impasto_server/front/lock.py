"""One server per home. The operating system holds the lock, so it ends when the process does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto_protocol import places
from impasto_protocol.errors import AlreadyRunning

from impasto_server.front.auth import private_folder

__all__ = ["only_server"]


@contextmanager
def only_server(home: Path) -> Iterator[None]:
    """Held while a server runs in `home`. Raises `AlreadyRunning`, naming the one that does.

    The file itself stays: removing it would let two later servers lock two files of one name.
    """
    private_folder(home)
    descriptor = os.open(places.lock_file(home), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor):
            raise AlreadyRunning(
                f"A server already runs for {home}{_who(home)}. Use it, or stop it first and try again."
            )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _who(home: Path) -> str:
    """Process and port of the server that runs, as `server.json` says; empty while it is starting."""
    try:
        found = json.loads(places.server_file(home).read_text("utf-8"))
        return f" (process {int(found['pid'])}, port {int(found['port'])})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
