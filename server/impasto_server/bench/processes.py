"""Servers in processes of their own, in a home that is thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto_client.discovery import find_server
from impasto_protocol.errors import ServerUnreachable

__all__ = ["environment", "launch", "running", "until_listening"]

START_S = 60.0
_STOP_S = 15.0


def environment(home: Path, threads: int | None = 1) -> dict[str, str]:
    """This home, and so many threads for torch, None: as many as it takes by itself. Of a tiny model two
    would mostly measure how they wait for each other."""
    count = {} if threads is None else {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return {**os.environ, "IMPASTO_HOME": str(home), **count}


def launch(module: str, home: Path, *arguments: str, threads: int | None = 1) -> subprocess.Popen[bytes]:
    """Starts `python -m module` with this home. What it says goes to `home/bench.log`."""
    with (home / "bench.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  our own modules
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(home, threads),
        )


def until_listening(home: Path, process: subprocess.Popen[bytes], interval_s: float = 0.005) -> None:
    """Raises `ServerUnreachable` when the process ends first, or takes longer than `START_S`."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if find_server(home).pid == process.pid:
                return
        except ServerUnreachable:
            pass
        time.sleep(interval_s)
    said = (home / "bench.log").read_text("utf-8", "replace")[-2000:]
    raise ServerUnreachable(f"The server of the bench did not start. It said: {said}")


@contextmanager
def running(
    module: str, home: Path, *arguments: str, threads: int | None = 1
) -> Iterator[subprocess.Popen[bytes]]:
    process = launch(module, home, *arguments, threads=threads)
    try:
        until_listening(home, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
