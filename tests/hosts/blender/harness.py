"""A real Blender without a window, in a throw-away user folder, with the built archive installed in it.

`Blender.call("artist.view", side="render")` runs a function of `tests/hosts/blender/inside/artist.py` on
Blender's main thread and returns what it returned, by way of JSON. Between calls the add-on gets its turns.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from impasto_server.plugins.archive import build_blender

from tests.hosts.blender.places import INSIDE, PROBE, ROOT
from tests.hosts.blender.versions import python_of
from tests.hosts.krita.harness import Screen

__all__ = ["Blender", "BlenderOnScreen", "BlenderTrouble", "archive"]

START_S = 120.0  # 3 to 6 s on a quiet machine
QUIT_S = 30.0
LIFE_S = 600.0  # a Blender that its test has forgotten ends itself


class BlenderTrouble(AssertionError):
    """Blender did not start, died, or a function inside it raised; says what its output said last."""


def archive(folder: Path) -> Path:
    """The built zip."""
    path = folder / "impasto-blender.zip"
    build_blender(ROOT, ROOT / "build" / "vendored").write(path)
    return path


class Blender:
    """One session. `folder` is changed by it: give each its own, or one that another has left."""

    def __init__(
        self, version: str, folder: Path, zipped: Path | None, environment: dict[str, str] | None = None
    ) -> None:
        """`zipped`: the archive to install; None: it is installed already, or is not wanted."""
        self._begin(version, [str(python_of(version)), str(PROBE)], folder, zipped, environment or {})

    def _begin(
        self, version: str, command: list[str], folder: Path, zipped: Path | None, environment: dict[str, str]
    ) -> None:
        self.version = version
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        ours, its = socket.socketpair()
        with (folder / "output.txt").open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--", str(its.fileno()), str(zipped or "")],
                pass_fds=[its.fileno()],
                env={**_environment(folder), **environment},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        its.close()
        self._socket = ours
        self._answers = ours.makefile("rb")
        try:
            self._answer("starting", START_S)
        except BaseException:
            self.kill()
            raise

    def call(self, function: str, *, timeout_s: float = 120.0, **arguments: Any) -> Any:
        """Runs `module.name` inside, with JSON arguments, and returns its JSON value."""
        request = json.dumps({"function": function, "arguments": arguments}).encode() + b"\n"
        try:
            self._socket.sendall(request)
        except OSError as error:
            raise self._trouble(f"Blender died before {function}: {error}") from None
        return self._answer(function, timeout_s)

    def quit(self) -> int:
        """The add-on is switched off, as Blender does at its end. Returns the exit code."""
        try:
            self._socket.sendall(json.dumps({"quit": True}).encode() + b"\n")
            return self.process.wait(timeout=QUIT_S)
        except subprocess.TimeoutExpired:
            raise self._trouble(f"Blender did not quit within {QUIT_S:.0f} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it without a farewell, as a crash would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)
        self._answers.close()
        self._socket.close()

    @property
    def output(self) -> str:
        return (self.folder / "output.txt").read_text(errors="replace")

    def _answer(self, function: str, timeout_s: float) -> Any:
        self._socket.settimeout(timeout_s)
        try:
            line = self._answers.readline()
        except TimeoutError:
            raise self._trouble(f"{function} did not come back within {timeout_s:.0f} s") from None
        except OSError as error:
            raise self._trouble(f"Blender died in {function}: {error}") from None
        if not line:
            raise self._trouble(f"Blender died in {function}")
        answer = json.loads(line)
        if "error" in answer:
            raise BlenderTrouble(answer["error"])
        return answer["value"]

    def _trouble(self, sentence: str) -> BlenderTrouble:
        return BlenderTrouble(f"Blender {self.version}: {sentence}\n{self.output[-4000:]}")


class BlenderOnScreen(Blender):
    """Debian's Blender with its windows, on a screen of its own. Older than 4.2, it has no extensions: the
    same zip is installed as an add-on of the older kind."""

    def __init__(
        self,
        folder: Path,
        zipped: Path,
        environment: dict[str, str] | None = None,
        size: tuple[int, int] = (1280, 860),
    ) -> None:
        self.screen = Screen(*size)
        width, height = size
        command = ["blender", "--factory-startup", "--window-geometry", "0", "0", str(width), str(height)]
        display = {"DISPLAY": self.screen.display}
        try:
            self._begin(
                "with windows",
                [*command, "--python", str(PROBE)],
                folder,
                zipped,
                {**display, **(environment or {})},
            )
        except BaseException:
            self.screen.close()
            raise

    def press(self, *words: str) -> None:
        """`xdotool` with these words."""
        display = {**os.environ, "DISPLAY": self.screen.display}
        subprocess.run(["xdotool", *words], env=display, check=True, timeout=30)

    def click(self, x: int, y: int) -> None:
        """Slowly: Blender looks at where the pointer has been before."""
        for at in ((x - 60, y + 60), (x - 2, y + 2), (x, y)):
            self.press("mousemove", str(at[0]), str(at[1]), "sleep", "0.25")
        self.press("mousedown", "1", "sleep", "0.1", "mouseup", "1", "sleep", "0.3")

    def open_tab(self, number: int = 3) -> None:
        """The sidebar's tab *Impasto*, below Blender's own."""
        self.press("search", "--sync", "--onlyvisible", "--name", ".", "windowfocus")
        for _ in range(5):
            self.click(*self.call("screen.tab", number=number))
            if self.call("screen.shown"):
                return
        raise self._trouble("the tab cannot be opened")

    def screenshot(self, path: Path) -> Path:
        """The whole screen, as PNG."""
        display = {**os.environ, "DISPLAY": self.screen.display}
        subprocess.run(["import", "-window", "root", str(path)], env=display, check=True, timeout=30)
        return path

    def kill(self) -> None:
        super().kill()
        self.screen.close()

    @staticmethod
    def missing() -> str:
        """What keeps it from running here; empty if nothing."""
        gone = [name for name in ("blender", "Xvfb", "xdotool", "import") if shutil.which(name) is None]
        return f"not installed: {', '.join(gone)}" if gone else ""


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BLENDER_", "PYTHON"))}
    return {
        **kept,
        "HOME": str(folder),
        "BLENDER_USER_RESOURCES": str(folder / "user"),
        "IMPASTO_HOME": str(folder / "nowhere"),  # no server, unless the test says where
        "IMPASTO_PROBE_PATH": str(INSIDE),
        "IMPASTO_PROBE_LIFE_S": str(LIFE_S),
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "2",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
