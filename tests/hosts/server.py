"""A real server with Pocket, for a host's tests: started, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from impasto_client.discovery import find_server
from impasto_protocol.errors import ServerUnreachable

START_S = 60.0


SERVE = ("impasto_server.cli", "serve", "--port", "0")  # any that is free


class Server:
    """A server in a home of its own: `impasto serve`, or another module with its arguments."""

    def __init__(self, home: Path, command: tuple[str, ...] = SERVE) -> None:
        self.home = home
        self._command = command
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a client has to have to find it."""
        return {"IMPASTO_HOME": str(self.home)}

    def start(self) -> None:
        """Comes back when it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._command],
                env={**os.environ, **self.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.home / "output.txt").read_text(errors="replace"))
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            find_server(self.home)
        except ServerUnreachable:
            return False
        return True

    def kill(self) -> None:
        """With its worker, at once, as a power failure would."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def adopt(self) -> None:
        """Another program started the one that runs now: it is ended, and one of ours takes its place."""
        os.kill(find_server(self.home).pid, signal.SIGTERM)
        while self._answers():
            time.sleep(0.05)
        self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
                self.process = None
            except subprocess.TimeoutExpired:
                self.kill()
