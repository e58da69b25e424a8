"""The real Krita on a screen of its own, in a throw-away home, with a hand inside.

`Krita.call("documents.make", model="RGBA")` runs a function of `tests/hosts/krita/inside/documents.py` on
Krita's UI thread and returns what it returned, by way of JSON."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PLUGIN = ROOT / "krita_plugin"
INSIDE = HERE / "inside"
PROBE = HERE / "probe"
START_S = 90.0  # 3 to 5 s on a quiet machine, 12 s in a cold home
QUIT_S = 30.0
WANTED = ("krita", "Xvfb")


class KritaTrouble(AssertionError):
    """Krita did not start, died, or a function inside it raised; says what its stderr said last."""


def missing() -> str:
    """What keeps the real Krita from running here; empty if nothing."""
    gone = [program for program in WANTED if shutil.which(program) is None]
    return f"not installed: {', '.join(gone)}" if gone else ""


class Screen:
    """An X server of its own, on a display number that it chose itself."""

    def __init__(self, width: int = 1600, height: int = 1000, window_manager: bool = False) -> None:
        reads, writes = os.pipe()
        command = ["Xvfb", "-displayfd", str(writes), "-screen", "0", f"{width}x{height}x24"]
        self._server = subprocess.Popen(
            [*command, "-nolisten", "tcp", "-noreset"],
            pass_fds=[writes],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writes)
        with os.fdopen(reads) as number:
            self.display = ":" + number.readline().strip()
        if self.display == ":" or not self._listens():
            self._server.kill()
            raise KritaTrouble("Xvfb did not start")
        self.environment = {**os.environ, "DISPLAY": self.display}
        self._manager: subprocess.Popen[bytes] | None = None
        if window_manager:
            self._manager = subprocess.Popen(
                ["openbox"], env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    def _listens(self) -> bool:
        """The number comes a little before the server can be reached."""
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(f"/tmp/.X11-unix/X{self.display[1:]}") == 0:
                    return True
            time.sleep(0.05)
        return False

    def close(self) -> None:
        for process in (self._manager, self._server):
            if process is not None:
                process.terminate()
                process.wait(timeout=10)


class Krita:
    """One session of Krita. `home` is changed by it: give each its own.

    `plugin` is a folder that holds `impasto.desktop` and `impasto/`: the source tree's `krita_plugin`, or
    what an archive was unpacked to. None runs Krita without Impasto."""

    def __init__(
        self,
        home: Path,
        *,
        plugin: Path | None = PLUGIN,
        environment: dict[str, str] | None = None,
        files: tuple[Path, ...] = (),
        size: tuple[int, int] = (1600, 1000),
        window_manager: bool = False,
        inside: tuple[Path, ...] = (INSIDE,),
    ) -> None:
        self.home = home
        self.stderr_file = home / "stderr.txt"
        self._address = home / "probe"
        self._address.unlink(missing_ok=True)
        prepare(home, plugin)
        self.screen = Screen(*size, window_manager=window_manager)
        self.environment = {
            **self.screen.environment,
            **places(home),
            "IMPASTO_PROBE_SOCKET": str(self._address),
            "IMPASTO_PROBE_PATH": os.pathsep.join(map(str, (*inside, PLUGIN, ROOT / "protocol"))),
            **(environment or {}),
        }
        with self.stderr_file.open("ab") as stderr:
            self.process = subprocess.Popen(
                ["krita", "--nosplash", *map(str, files)],
                env=self.environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        self._socket: socket.socket | None = None
        try:
            self._socket = self._connect()
        except BaseException:
            self.kill()
            raise
        self._answers = self._socket.makefile("rb")

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise self._trouble(f"Krita ended with {self.process.returncode} while starting")
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._address))
            except OSError:
                connection.close()
                time.sleep(0.05)
            else:
                return connection
        raise self._trouble(f"Krita showed no window within {START_S:.0f} s")

    def call(self, function: str, *, timeout_s: float = 120.0, **arguments: Any) -> Any:
        """Runs `module.name` inside, with JSON arguments, and returns its JSON value."""
        assert self._socket is not None  # it was killed
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(json.dumps({"function": function, "arguments": arguments}).encode() + b"\n")
            line = self._answers.readline()
        except TimeoutError:
            raise self._trouble(f"{function} did not come back within {timeout_s:.0f} s") from None
        except OSError as error:
            raise self._trouble(f"Krita died in {function}: {error}") from None
        if not line:
            raise self._trouble(f"Krita died in {function}, exit code {self._end_code()}")
        answer = json.loads(line)
        if "error" in answer:
            raise KritaTrouble(answer["error"])
        return answer["value"]

    def screenshot(self, path: Path) -> Path:
        """The whole screen, as PNG."""
        subprocess.run(
            ["scrot", "--overwrite", str(path)], env=self.screen.environment, check=True, timeout=30
        )
        return path

    @property
    def stderr(self) -> str:
        return self.stderr_file.read_text(errors="replace")

    def quit(self) -> int:
        """Ends Krita as *File → Quit* does, with all documents marked as unchanged. Returns its exit code."""
        try:
            self.call("session.leave")
            return self.process.wait(timeout=QUIT_S)
        except subprocess.TimeoutExpired:
            raise self._trouble(f"Krita did not quit within {QUIT_S:.0f} s") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends it without a farewell, as a crash would."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)
        if self._socket is not None:
            self._answers.close()
            self._socket.close()
            self._socket = None
        self.screen.close()

    def _end_code(self) -> int | None:
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return None

    def _trouble(self, sentence: str) -> KritaTrouble:
        return KritaTrouble(f"{sentence}\n{self.stderr[-4000:]}")


def places(home: Path) -> dict[str, str]:
    """Everything Krita would look for in the real home is in this one."""
    return {
        "HOME": str(home),
        # Krita's Python takes its libraries from beside the first python3 here: the system's, as on a
        # desktop.
        "PATH": os.pathsep.join(("/usr/bin", os.environ.get("PATH", ""))),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "QT_QPA_PLATFORM": "xcb",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONFAULTHANDLER": "1",  # the Python line of a segmentation fault
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def prepare(home: Path, plugin: Path | None) -> None:
    """Settings and plugins of a home; one that was used before keeps its resources."""
    for name in ("config", "data/krita/pykrita", "cache", "run"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "run").chmod(0o700)
    plugins = home / "data/krita/pykrita"
    installed = [PROBE / "impasto_probe.desktop", PROBE / "impasto_probe"]
    if plugin is not None:
        installed += [plugin / "impasto.desktop", plugin / "impasto"]
    for old in [path for path in plugins.iterdir() if path.is_symlink()]:
        old.unlink()
    for path in installed:
        if path.exists():
            (plugins / path.name).symlink_to(path)
    kritarc = home / "config/kritarc"
    if not kritarc.exists():
        kritarc.write_text("[python]\nenable_impasto=true\nenable_impasto_probe=true\n")
        # The canvas painted by the processor: steadier than OpenGL in software.
        (home / "config/kritadisplayrc").write_text(
            "[General]\nOpenGLRenderer=none\ncanvasState=OPENGL_SUCCESS\n"
        )


def warmed(cache: Path) -> Path:
    """A home in which Krita has been started once: later starts take a third of the time. It is there whole
    or not at all, also when a run of the tests was killed, or two of them warm it."""
    home = cache / "home"
    if not home.exists():
        making = Path(tempfile.mkdtemp(prefix="home.", dir=cache))
        Krita(making, plugin=None).quit()
        try:
            making.rename(home)
        except OSError:  # another run was faster
            shutil.rmtree(making)
    return home


def throw_away(cache: Path, folder: Path) -> Path:
    """A copy of the warmed home."""
    shutil.copytree(
        warmed(cache), folder, symlinks=True, ignore=shutil.ignore_patterns("probe", "stderr.txt")
    )
    return folder
