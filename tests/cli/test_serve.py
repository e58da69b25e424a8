"""A server leaves behind how it was started, and can be started so again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from impasto_client.discovery import find_server, start_server
from impasto_protocol.errors import ServerUnreachable
from impasto_protocol.places import launch_file

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGTERM there")
WAIT_S = 120.0  # a machine that is busy with other things imports slowly


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def answers(home: Path) -> bool:
    try:
        find_server(home)
    except ServerUnreachable:
        return False
    return True


def test_a_program_starts_the_server_as_the_artist_did(home: Path) -> None:
    command = [sys.executable, "-m", "impasto_server.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        wait(lambda: answers(home) and launch_file(home).exists())
        assert json.loads(launch_file(home).read_text()) == {"command": command}
        assert launch_file(home).stat().st_mode & 0o777 == 0o600
        process.terminate()
        process.wait(WAIT_S)
    assert not answers(home)
    start_server(home)
    wait(lambda: answers(home))
    pid = find_server(home).pid
    assert pid != process.pid
    os.kill(pid, signal.SIGTERM)
    wait(lambda: not (home / "server.json").exists())
    assert "listens on" in (home / "log" / "server.log").read_text()
