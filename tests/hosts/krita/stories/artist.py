"""Krita with hands and eyes: what tests of whole stories use."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.hosts.krita import harness
from tests.hosts.server import Server

Pixels = npt.NDArray[np.uint8]
Where = npt.NDArray[np.bool_]
SIDE = 256
WAIT_S = 120.0


class Artist:
    """Krita with hands and eyes."""

    def __init__(
        self, home: Path, plugin: Path, server: Server, *, window_manager: bool = False, scale: int = 1
    ) -> None:
        """`scale`: of the screen's pixels to the program's."""
        self._start = lambda: harness.Krita(
            home,
            plugin=plugin,
            environment={**server.environment, **({"QT_SCALE_FACTOR": str(scale)} if scale > 1 else {})},
            size=(1600 * scale, 1000 * scale),
            window_manager=window_manager,
        )
        self.krita = self._start()

    def do(self, what: str, **arguments: Any) -> Any:
        return self.krita.call(f"artist.{what}", **arguments)

    def tell(self, command: str, *words: Any) -> None:
        self.do("say", command=command, words=list(words))

    @property
    def view(self) -> dict[str, Any]:
        view: dict[str, Any] = self.do("view")
        return view

    def until(self, holds: Callable[[dict[str, Any]], Any], timeout_s: float = WAIT_S) -> dict[str, Any]:
        """The first view for which `holds`."""
        deadline = time.monotonic() + timeout_s
        while True:
            view = self.view
            if holds(view):
                return view
            if time.monotonic() > deadline:
                short = {name: view[name] for name in ("link", "jobs", "takes", "shown", "notice", "why_not")}
                raise AssertionError(f"it did not come to that within {timeout_s:.0f} s: {short}")
            time.sleep(0.05)

    def open(self, width: int = SIDE, height: int = SIDE, **kind: str) -> None:
        self.do("new_document", width=width, height=height, **kind)
        self.until(lambda view: view["link"]["state"] == "ready" and view["document"])

    def paint(self, **intent: Any) -> dict[str, Any]:
        """Asks and waits for takes."""
        self.do("change", **intent)
        self.until(lambda view: view["can_start"])
        self.tell("start")
        return self.until(takes_or_failure)

    def apply(self) -> None:
        before = len(self.facts["layers"])
        self.tell("dismiss_notice")
        self.until(lambda view: not view["notice"], timeout_s=5)
        self.tell("apply")
        self.until(lambda view: (view["applied"] and len(self.facts["layers"]) != before) or view["notice"])

    @property
    def seen(self) -> Pixels:
        """(H, W, 4) sRGB."""
        return self.part(0, 0, *self.facts["size"])

    def part(self, x: int, y: int, width: int, height: int) -> Pixels:
        """A part of it."""
        data = base64.b64decode(self.do("projection", x=x, y=y, width=width, height=height))
        return np.frombuffer(data, np.uint8).reshape(height, width, 4)

    @property
    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.do("facts")
        return facts

    def close(self) -> None:
        self.do("change", **_PLAIN)
        self.tell("put_away")
        self.do("close_document")

    def crash_and_come_back(self) -> None:
        self.krita.kill()
        self.krita = self._start()


_PLAIN = {
    "mode": "generate",
    "action": "fill",
    "prompt": "",
    "negative": "",
    "refine_strength": 0.5,
    "margins": [0, 0, 0, 0],
    "steps": 0,
    "seed": -1,
    "takes": 1,
    "controls": [],
    "insert": "layer",
    "live_strength": 0.5,
    "live_on_canvas": False,
}


def takes_or_failure(view: dict[str, Any]) -> bool:
    failed = [job for job in view["jobs"] if job["state"] == "failed"]
    assert not failed, failed
    return bool(view["takes"]) and not view["jobs"]


def red(pixels: Pixels) -> Where:
    """(H, W): where it is red."""
    r, g, b = (pixels[:, :, channel].astype(int) for channel in range(3))
    flags: Where = (r > 110) & (r > g + 50) & (r > b + 50)
    return flags


def of_boxes(*boxes: tuple[int, int, int, int]) -> Where:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def bounding(mask: Where) -> Where:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    whole = np.zeros_like(mask)
    whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return whole
