"""Progress on stderr: one line that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from impasto_protocol.messages import JobProgress

__all__ = ["JobLine", "Line", "Waiting"]

_EVERY_S = 5.0  # a line in a log


class Line:
    """One line of text that is replaced. Elsewhere than on a terminal, every change of `topic` prints a
    line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._width = 0
        self._topic: str | None = None
        self._printed_at = 0.0

    def show(self, topic: str, text: str) -> None:
        now = time.monotonic()
        if self._terminal:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        elif topic != self._topic or now - self._printed_at >= _EVERY_S:
            self._stream.write(text + "\n")
            self._printed_at = now
        self._topic = topic
        self._stream.flush()

    def end(self) -> None:
        """Leaves what is shown standing and goes to the next line."""
        if self._terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
        self._width = 0


class Waiting:
    """`with Waiting("Starting the server") as waiting: … waiting.tick()`: says how long it has taken so
    far."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._line = Line(stream)
        self._begin = time.monotonic()

    def __enter__(self) -> Waiting:
        self.tick()
        return self

    def tick(self) -> None:
        passed = time.monotonic() - self._begin
        self._line.show(self._what, f"{self._what} … {passed:.0f} s" if passed >= 1.0 else f"{self._what} …")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.end()


class JobLine:
    """What a job is doing: stage, step, time left. Give it to `Job.wait` as `on_progress`."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._line = Line(stream)

    def __call__(self, progress: JobProgress) -> None:
        self._line.show(progress.stage, describe(progress))

    def end(self) -> None:
        self._line.end()


def describe(progress: JobProgress) -> str:
    words = progress.stage.capitalize()
    if progress.stage == "waiting":
        ahead = progress.position
        return f"{words}: {ahead} job{'s' if ahead != 1 else ''} ahead" if ahead else f"{words} …"
    if progress.steps:
        words += f" {progress.step}/{progress.steps}"
    if progress.remaining_s >= 1.0:
        words += f" · {remaining(progress.remaining_s)} left"
    return words


def remaining(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `1 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
