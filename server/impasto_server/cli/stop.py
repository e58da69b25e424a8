"""`impasto stop`."""

from __future__ import annotations

import argparse
import os
import signal
import time

import psutil
from impasto_client.discovery import find_server
from impasto_protocol import places
from impasto_protocol.errors import ServerUnreachable

from impasto_server.cli import servers
from impasto_server.cli.show import Waiting

STOP_S = 20.0  # workers get a few seconds to end before they are ended


def arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_options: argparse.Namespace) -> int:
    home = places.home()
    try:
        address = find_server(home)
    except ServerUnreachable:
        print("No server is running.")
        return 0
    servers.health(address)  # only our server knows the token: this process id is its own
    os.kill(address.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    with Waiting("Stopping the server") as waiting:
        while _runs(address.pid):
            if time.monotonic() > deadline:
                raise ServerUnreachable(
                    f"The server (process {address.pid}) does not stop. End that process."
                )
            waiting.tick()
            time.sleep(0.05)
    print("The server has stopped. Jobs that wait go on at its next start.")
    return 0


def _runs(pid: int) -> bool:
    """False also for one that has ended and waits for its parent, this program perhaps, to ask how."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
