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


def environment(home: Path) -> dict[str, str]:
    """This home, and one thread for torch: two would mostly measure how they wait for each other."""
    return {**os.environ, "IMPASTO_HOME": str(home), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def launch(module: str, home: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts `python -m module` with this home. What it says goes to `home/bench.log`."""
    with (home / "bench.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603  our own modules
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(home),
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
def running(module: str, home: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = launch(module, home, *arguments)
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
