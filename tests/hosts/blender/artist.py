"""Blender with hands and eyes: what tests of whole stories use."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hosts.blender.harness import Blender
from tests.hosts.server import Server

__all__ = ["WAIT_S", "Artist", "painted", "settled"]

WAIT_S = 100.0
View = dict[str, Any]
# So that a job of Pocket takes a second or two.
SMALL: dict[str, dict[str, Any]] = {
    "render": {"prompt": "brick", "steps": 4, "takes": 1, "seed": 7, "controls": [], "refine_strength": 0.9},
    "texture": {
        "prompt": "brick",
        "steps": 4,
        "seed": 7,
        "around": 2,
        "texture_px": 128,
        "view_px": 128,
        "source": "around",
        "keep": False,
        "separately": False,
        "order": "together",
    },
    "image": {"prompt": "grass", "steps": 4, "takes": 1, "seed": 7, "mode": "fill", "fill_strength": 1.0},
}


class Artist:
    """One Blender beside a server."""

    def __init__(self, version: str, folder: Path, zipped: Path, server: Server) -> None:
        self._make = lambda zipped: Blender(version, folder, zipped, server.environment)
        self.blender = self._make(zipped)
        self.server = server

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Functions of inside/artist.py."""
        return lambda **words: self.blender.call(f"artist.{name}", **words)

    def begin(self, *, ready: bool = True) -> None:
        """A new file, the panels as they are for small jobs, nothing on the lists."""
        for side in SMALL:
            for job in self.view(side=side)["jobs"]:
                self.tell(side=side, command="dismiss", words=[job["job"]])
            self.tell(side=side, command="dismiss_notice")
        self.new_file()
        for side, fields in SMALL.items():
            self.edit(side=side, **fields)
        self.options(
            side="render", source="camera", picture="view", region=False, insert="image", longest_px=128
        )
        if ready:
            for side in SMALL:
                self.until(lambda view: view["link"]["state"] == "ready", side)

    def until(self, holds: Callable[[View], Any], side: str = "texture", timeout_s: float = WAIT_S) -> View:
        """The first view for which `holds`."""
        deadline = time.monotonic() + timeout_s
        while True:
            view: View = self.view(side=side)
            if holds(view):
                return view
            if time.monotonic() > deadline:
                names = ("link", "jobs", "results", "takes", "objects", "notice", "why_not")
                short = {name: view[name] for name in names if name in view}
                raise AssertionError(f"it did not come to that within {timeout_s:.0f} s: {short}")
            time.sleep(0.03)

    def press_when_ready(self, side: str, operator: str) -> None:
        self.until(lambda view: view["can_start"], side)
        assert self.press(operator=operator, side=side) == ["FINISHED"]

    def running(self, side: str) -> View:
        """A job that has begun to paint."""
        return self.until(lambda view: any(job["state"] == "running" for job in view["jobs"]), side)

    def crash_and_come_back(self) -> None:
        self.blender.kill()
        self.blender = self._make(None)
        self.blender.call("session.switch_on")  # as the preferences say, which Blender saves at its end


def settled(view: View) -> bool:
    """Nothing is painted any more, and nothing has failed."""
    failed = [job for job in view["jobs"] if job["state"] == "failed"]
    assert not failed, failed
    return not view["jobs"]


def painted(view: View) -> bool:
    return settled(view) and any(result["applied"] for result in view["results"])
