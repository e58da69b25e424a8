"""Somebody who paints: a client with a live session, and a pen that moves at 120 Hz."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from impasto_client.live import Preview
from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError, InternalError
from impasto_protocol.messages import JobChanged, JobProgress, LiveRequest
from impasto_protocol.rasters import PixelFormat

from impasto_server.bench.picture import painting

__all__ = ["PEN_HZ", "SIDE", "Artist", "Came", "Pen"]

PEN_HZ = 120.0
SIDE = 256  # px: the embedded model's native size
WAIT_S = 120.0  # for a preview, behind a whole job where nothing pre-empts it
PROMPT = "a red house on a green hill"


@dataclass(frozen=True)
class Came:
    """A preview, without its pixels, which a program that shows them lets go too, and when it came, by
    `time.monotonic`."""

    preview: Preview
    at_s: float


class Pen:
    """A hand that draws on a picture of its own: each point is one more short line."""

    def __init__(self, side: int = SIDE, seed: int = 0) -> None:
        self._picture = painting(side, seed)
        self._rng = np.random.default_rng(seed)
        self._side = side

    @property
    def pixels(self) -> bytes:
        """RGBA8."""
        return self._picture.tobytes()

    def stroke(self, points: int) -> Iterator[bytes]:
        """The picture after each point of one stroke, at the pen's pace."""
        rng, side = self._rng, self._side
        colour = (*(int(value) for value in rng.integers(20, 236, 3)), 255)
        at, heading = rng.uniform(0.2, 0.8, 2) * side, rng.uniform(0, 2 * np.pi)
        begin = time.monotonic()
        for number in range(points):
            heading += rng.normal(0, 0.3)
            to = np.clip(at + 0.012 * side * np.array([np.cos(heading), np.sin(heading)]), 4, side - 4)
            line = [(round(float(x)), round(float(y))) for x, y in (at, to)]
            cv2.line(self._picture, line[0], line[1], colour, max(2, side // 64), cv2.LINE_AA)
            at = to
            time.sleep(max(0.0, begin + number / PEN_HZ - time.monotonic()))
            yield self.pixels


class Artist:
    """A client of the server in `home`. Use it in a `with`."""

    def __init__(
        self, home: Path, *, side: int = SIDE, client: str | None = None, shared: bool = True, **request: Any
    ) -> None:
        self._changed = threading.Condition()  # guards what is heard
        self.sent: dict[int, float] = {}  # input → just before `Live.show`, by `time.monotonic`
        self.came: list[Came] = []
        self.heard: list[tuple[JobChanged | JobProgress, float]] = []  # of jobs, and when
        self._problem: ImpastoError | None = None
        self.session = Session.connect(
            home, name="impasto bench", client_id=client, shared_memory=shared, listener=self._job
        )
        self._canvas = self.session.canvas(side, side, PixelFormat.RGBA8)
        self._live = self.session.live(self._painted, lambda stage: None, self._failed)
        self.request = LiveRequest(self._canvas.name, **{"prompt": PROMPT, **request})

    def __enter__(self) -> Artist:
        return self

    def __exit__(self, *_: object) -> None:
        self._live.close()
        self.session.close()

    def begin(self, pixels: bytes) -> Came:
        """Starts the live session on this picture; returns its first preview."""
        begin = time.monotonic()
        self._live.show({self._canvas: pixels})
        number = self._live.change(self.request)
        self.sent[number] = begin
        return self.preview_of(number)

    def change(self, request: LiveRequest) -> Came:
        """Goes on with another request; returns the first preview of it."""
        begin = time.monotonic()
        self.request = request
        number = self._live.change(request)
        self.sent[number] = begin
        return self.preview_of(number)

    def show(self, pixels: bytes) -> int:
        begin = time.monotonic()
        number = self._live.show({self._canvas: pixels})
        self.sent[number] = begin
        return number

    def draw(self, pen: Pen, points: int) -> int:
        """One stroke; returns the input of its last point."""
        number = 0
        for pixels in pen.stroke(points):
            number = self.show(pixels)
        return number

    def preview_of(self, number: int) -> Came:
        """The first preview of this input or a later one, waited for. Raises what ended the session."""
        with self._changed:
            self._changed.wait_for(lambda: self._problem or self._of(number), WAIT_S)
            if self._problem is not None:
                raise self._problem
            came = self._of(number)
        if came is None:
            raise InternalError("The bench's preview does not come. Look into the log of the bench.")
        return came

    def took_s(self, came: Came) -> float:
        """From `Live.show` of what the preview shows to `on_preview`."""
        return came.at_s - self.sent[came.preview.input]

    def stages_ms(self, came: list[Came]) -> dict[str, float]:
        """Medians; `wire` is what none of the server's stages has: both ways, both programs."""
        names = dict.fromkeys(name for one in came for name in one.preview.stages)
        stages = {name: median(one.preview.stages.get(name, 0.0) for one in came) for name in names}
        rest = [1000.0 * self.took_s(one) - sum(one.preview.stages.values()) for one in came]
        return {name: round(value, 2) for name, value in {**stages, "wire": median(rest)}.items()}

    def frames(self, since: int = 0) -> list[Came]:
        """The previews from number `since` on that were painted for an input; not those refined at rest."""
        return [
            one for one in self.came[since:] if not one.preview.refined and one.preview.input in self.sent
        ]

    def _of(self, number: int) -> Came | None:
        # From the newest, which is nearly always the one.
        found = None
        for one in reversed(self.came):
            if one.preview.input < number:
                break
            found = one
        return found

    def _painted(self, preview: Preview) -> None:
        now_s = time.monotonic()
        with self._changed:
            self.came.append(Came(replace(preview, pixels=b""), now_s))
            self._changed.notify_all()

    def _failed(self, problem: ImpastoError) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()

    def _job(self, message: JobChanged | JobProgress) -> None:
        self.heard.append((message, time.monotonic()))
