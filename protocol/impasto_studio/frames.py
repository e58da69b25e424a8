"""A scene's frames painted one after another, with one recipe. Each is a file as soon as it is finished, and
the folder is the recipe's own: started again, the batch goes on with the frames that are not there yet.
"""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Callable, List, Optional, Protocol, Tuple

from impasto_client.jobs import Job, Layer
from impasto_client.session import Session
from impasto_protocol.errors import ImpastoError, InternalError
from impasto_protocol.messages import JobProgress, Limits

from impasto_studio.base_desk import new_job
from impasto_studio.canvases import CanvasShelf
from impasto_studio.host import Capture, Captured, Failed, Picture
from impasto_studio.pictures import to_show
from impasto_studio.png import png
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr
from impasto_studio.work import parcel
from impasto_studio.workers import Worker

__all__ = ["FrameBatch", "FrameHost", "Frames", "FramesView", "recipe_key"]

LOOK_S = 0.1  # how soon a cancel is noticed while the server paints
_SEEDS = 2**63


class FrameHost(Protocol):
    """What a program with a timeline must be able to do. Threads as in `impasto_studio.host`."""

    def capture_frame(
        self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Failed
    ) -> None:
        """As `Host.capture`, of this frame. Afterwards the timeline is where it was."""

    def composed(self, picture: Picture, x: int, y: int, ground: Optional[Picture]) -> Picture:
        """The whole frame, when only a part of it was painted anew. On any thread."""

    def show_frames(self, frames: Tuple[Path, ...], name: str) -> None:
        """All of them are there: an image that plays them."""


@dataclass(frozen=True)
class FrameBatch:
    plan: Plan  # of any frame; one take
    frames: Tuple[int, ...]
    folder: Path  # for these files alone; see `recipe_key`
    name: str
    own_seeds: bool = False  # each frame has the seed after the one before; else all have the same

    def path(self, frame: int) -> Path:
        return self.folder / f"{frame:04d}.png"

    def seed(self, frame: int) -> int:
        """The same whenever the frame is painted."""
        seed = max(0, self.plan.request.seed)
        return (seed + frame) % _SEEDS if self.own_seeds else seed


@dataclass(frozen=True)
class FramesView:
    """How far a batch is."""

    running: bool = False
    done: int = 0  # files that are there
    total: int = 0
    frame: int = 0  # the one that is being painted
    sentence: str = ""  # why it stopped


def recipe_key(plan: Plan, own_seeds: bool, more: str = "") -> str:
    """Differs where pictures would: for the name of the folder. `more`: what the host's settings say."""
    controls = plan.capture.controls if plan.capture is not None else ()
    said = repr((plan.request, plan.size, plan.box, controls, own_seeds, more))
    return hashlib.sha256(said.encode()).hexdigest()[:8]


class Frames:
    """One batch at a time. On the UI thread; the worker waits for the server."""

    def __init__(self, host: FrameHost, worker: Worker, changed: Callable[[], None]) -> None:
        self.view = FramesView()
        self._host = host
        self._worker = worker
        self._changed = changed
        self._shelf = CanvasShelf()  # the worker's
        self._batch: Optional[FrameBatch] = None
        self._session: Optional[Session] = None
        self._limits: Optional[Limits] = None
        self._missing: List[int] = []
        self._stop = Event()
        self._running: Optional[Job] = None  # the worker's

    @property
    def progress(self) -> Optional[JobProgress]:
        """Of the frame that the server is painting."""
        running = self._running
        return running.progress if running is not None else None

    def start(self, batch: FrameBatch, session: Session, limits: Limits) -> None:
        """Goes on where it stopped; nothing happens while one is running."""
        if self._batch is not None:
            return
        self._batch, self._session, self._limits = batch, session, limits
        self._missing = [frame for frame in batch.frames if not batch.path(frame).exists()]
        self._stop, self._running = Event(), None
        self._tell()
        self._next()

    def cancel(self) -> None:
        """Frames that are finished stay."""
        self._stop.set()

    def _next(self) -> None:
        batch = self._batch
        assert batch is not None
        if self._stop.is_set():
            self._end("")
        elif not self._missing:
            self._end("")
            if batch.frames:
                self._host.show_frames(tuple(batch.path(frame) for frame in batch.frames), batch.name)
        else:
            frame = self._missing[0]
            wanted = batch.plan.capture or Capture(batch.plan.document, batch.plan.box, image=False)
            self._host.capture_frame(frame, wanted, partial(self._captured, frame), self._end)

    def _captured(self, frame: int, captured: Captured) -> None:
        if self._stop.is_set():
            self._end("")
            return
        self._worker.do(partial(self._paint, frame, captured), self._painted, self._failed)

    def _paint(self, frame: int, captured: Captured) -> Optional[int]:
        """On the worker. The frame, or None when it was cancelled."""
        batch, session, limits = self._batch, self._session, self._limits
        assert batch is not None
        assert session is not None
        assert limits is not None
        plan = batch.plan
        refs = self._shelf.refs(session, plan.document, parcel(plan, captured).pictures(), limits, self._stop)
        if refs is None:
            return None
        request = replace(plan.request.with_pictures(dict(refs)), seed=batch.seed(frame), takes=1)
        running = self._running = session.submit(request, "batch", new_job())
        layers = self._waited(running)
        self._running = None
        if not layers:
            return None
        info = layers[0].info
        picture = Picture(info.width, info.height, info.format, layers[0].pixels)
        whole = self._host.composed(to_show(picture), info.x, info.y, captured.image)
        try:
            batch.folder.mkdir(parents=True, exist_ok=True)
            part = batch.path(frame).with_suffix(".part")
            part.write_bytes(png(whole))
            os.replace(part, batch.path(frame))
        except OSError:
            raise InternalError(
                tr("The frame could not be written to “{folder}”. Make room there.", folder=str(batch.folder))
            ) from None
        running.forget()
        return frame

    def _waited(self, running: Job) -> List[Layer]:
        """On the worker."""
        layers = None
        while layers is None:
            layers = _for_a_while(running)
            if layers is None and self._stop.is_set():
                running.cancel()
        return layers

    def _painted(self, frame: Optional[int]) -> None:
        if frame is not None:
            self._missing.remove(frame)
        else:
            self._stop.set()
        self._tell()
        self._next()

    def _failed(self, error: ImpastoError) -> None:
        self._end("" if self._stop.is_set() else error.sentence)

    def _end(self, sentence: str) -> None:
        self._tell(running=False, sentence=sentence)
        self._batch = None

    def _tell(self, running: bool = True, sentence: str = "") -> None:
        batch = self._batch
        assert batch is not None
        total = len(batch.frames)
        frame = self._missing[0] if self._missing else 0
        self.view = FramesView(running, total - len(self._missing), total, frame, sentence)
        self._changed()


def _for_a_while(running: Job) -> Optional[List[Layer]]:
    try:
        return running.wait(LOOK_S)
    except TimeoutError:
        return None
