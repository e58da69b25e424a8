"""A hand on the mouse and the keyboard of a screen: xdotool."""

from __future__ import annotations

import subprocess
import time

from tests.hosts.krita.harness import Krita


class Hand:
    def __init__(self, krita: Krita) -> None:
        self._krita = krita

    def _do(self, *words: object) -> None:
        subprocess.run(
            ["xdotool", *map(str, words)], env=self._krita.screen.environment, check=True, timeout=30
        )

    def click(self, at: list[int]) -> None:
        self._do("mousemove", *at)
        time.sleep(0.1)
        self._do("click", 1)
        time.sleep(0.2)

    def point(self, at: list[int]) -> None:
        self._do("mousemove", *at)
        time.sleep(0.2)

    def drag(self, start: tuple[int, int], end: tuple[int, int], steps: int = 12) -> None:
        self._do("mousemove", *start)
        time.sleep(0.2)
        self._do("mousedown", 1)
        for step in range(1, steps + 1):
            x, y = (round(a + (b - a) * step / steps) for a, b in zip(start, end, strict=True))
            self._do("mousemove", x, y)
            time.sleep(0.02)
        self._do("mouseup", 1)
        time.sleep(0.3)

    def stroke(self, points: list[tuple[int, int]], rate_hz: float = 120.0) -> None:
        """A pen at its rate, in one run of the program: nothing waits between two points but the pen."""
        words: list[object] = ["mousemove", *points[0], "mousedown", 1]
        for point in points[1:]:
            words += ["mousemove", *point, "sleep", f"{1 / rate_hz:.4f}"]
        self._do(*words, "mouseup", 1)

    def press_pen(self, at: tuple[int, int]) -> None:
        self._do("mousemove", *at, "mousedown", 1)
        time.sleep(0.2)

    def lift_pen(self, at: tuple[int, int]) -> None:
        self._do("mousemove", *at, "mouseup", 1)

    def type(self, text: str) -> None:
        self._do("type", "--delay", 20, text)
        time.sleep(0.2)

    def press(self, *keys: str) -> None:
        """One after another."""
        for key in keys:
            self._do("key", key)
            time.sleep(0.1)
