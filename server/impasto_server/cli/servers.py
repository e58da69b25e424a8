"""The server of this home: finds it, starts it, asks how it is."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from impasto_client.discovery import ServerAddress, detached, find_server, server_log
from impasto_client.session import Session
from impasto_protocol import places
from impasto_protocol.errors import ServerUnreachable

from impasto_server.cli.show import Waiting

__all__ = ["connect", "health", "start"]

START_S = 90.0  # a cold disk reads aiohttp slowly; the worker's torch is not waited for
_LOG_TAIL = 8192
_started: list[
    subprocess.Popen[bytes]
] = []  # they outlive this program, which must not look as if it forgot them


@dataclass(frozen=True)
class Health:
    """What GET /v1/health answers."""

    version: str
    device: str | None  # None while no worker is ready


def connect(home: Path | None = None) -> Session:
    """A session with the running server, else with one started for it. Raises `ServerError` leaves."""
    where = home or places.home()
    try:
        find_server(where)
    except ServerUnreachable:
        start(where)
    return Session.connect(where, name="impasto cli")


def start(home: Path) -> ServerAddress:
    """Starts `impasto serve` in the background and waits until it answers. Raises `ServerUnreachable`.

    When the port is taken by another program, any free one will do: clients look into server.json.
    """
    with Waiting("Starting the server") as waiting:
        address, said = _launch(home, [], waiting)
        if address is None and "port" in said.lower() and "taken" in said.lower():
            address, said = _launch(home, ["--port", "0"], waiting)
    if address is None:
        log = places.log_folder(home) / "server.log"
        raise ServerUnreachable(said or f"The server did not start. {log} says why.")
    return address


def _launch(home: Path, options: list[str], waiting: Waiting) -> tuple[ServerAddress | None, str]:
    """(its address, "") or (None, what it said before it ended)."""
    log = server_log(home)
    begin = log.stat().st_size
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "impasto_server.cli", "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "IMPASTO_HOME": str(home)},
            **detached(),
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        ended = process.poll() is not None  # before looking: another server may have been faster and be found
        try:
            address = find_server(home)
            _started.append(process)
            return address, ""
        except ServerUnreachable:
            if ended:
                return None, _last_words(log, begin)
        waiting.tick()
        time.sleep(0.05)
    process.terminate()
    return None, f"The server did not answer within {START_S:.0f} s. {log} may say why."


def _last_words(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - _LOG_TAIL))
        lines = file.read().decode("utf-8", "replace").splitlines()
    said = [line.removeprefix("impasto: ") for line in lines if line.startswith("impasto: ")]
    return said[-1] if said else ""


def health(address: ServerAddress, timeout_s: float = 3.0) -> Health:
    """Raises `ServerUnreachable` when nothing of ours answers there."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
    try:
        connection.request("GET", "/v1/health", headers={"Authorization": f"Bearer {address.token}"})
        answer = connection.getresponse()
        body = json.loads(answer.read(65536))
        if answer.status != 200:
            raise ServerUnreachable("What answers on the server's port is not this home's server.")
        return Health(str(body["version"]), body.get("device"))
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise ServerUnreachable(
            "The server is running but does not answer. Stop it and start it again."
        ) from error
    finally:
        connection.close()
