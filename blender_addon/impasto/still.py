"""One picture of the scene for Blender's own F12. Ordered on the render's thread; captured and painted as the
frames of an animation are, in the turns of the main thread.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import Any

from impasto_studio.frames import FrameBatch, Frames
from impasto_studio.host import Capture, Captured, Failed, Picture
from impasto_studio.intent import LIVE
from impasto_studio.tasks import Plan
from impasto_studio.texts import tr
from impasto_studio.workers import WorkerThread

from .host.arrays import array_of, picture_of, resized
from .host.loop import Sliced, Trouble
from .host.render_host import RenderHost
from .host.views import scene_now

__all__ = ["Order", "Still"]

LOOK_S = 0.05
LOST_S = 10.0  # without a server, until the render is given up: nobody may be there to press Esc
ON_THE_WAY = ("searching", "starting", "connecting")  # states of the link that end by themselves


@dataclass(eq=False)
class Order:
    """What the render's thread wants, and what it hears of it."""

    scene: str  # name
    frame: int
    animated: bool  # one of many, at which the scene itself may not stand
    size: tuple[int, int]  # of the whole render, px
    folder: Path  # for this picture alone; whoever ordered it removes it
    given_up: Event = field(default_factory=Event)  # set by who ordered it
    ended: Event = field(default_factory=Event)
    sentence: str = ""  # why there is no picture
    says: str = ""  # how it is getting on
    share: float = 0.0  # 0 … 1

    @property
    def path(self) -> Path:
        """PNG, sRGB, of `size`."""
        return self.folder / f"{self.frame:04d}.png"


class Still:
    """`side` is the Render panel's `plugin.Side`: the recipe is what it says."""

    def __init__(self, host: RenderHost, side: Any) -> None:
        self._host = host
        self._side = side
        self._worker = WorkerThread("impasto-still", host.call_soon)
        self._easel = _Easel(host)
        self._frames = Frames(self._easel, self._worker, lambda: None)
        self._seed: int | None = None  # of the animation that is being rendered, when the panel has none

    def paint(self, order: Order) -> None:
        """On any thread. `order.ended` is set in any case, unless the add-on is switched off at once."""
        self._host.call_soon(lambda: self._host.loop.run(self._painted(order), _nothing, _nothing))

    def close(self) -> None:
        self._frames.cancel()
        self._worker.close()

    def _painted(self, order: Order) -> Sliced:
        order.sentence = tr("Something went wrong inside of Impasto. Try again; the host's log says more.")
        try:
            yield from self._reached(order)
            if not order.given_up.is_set():
                self._begin(order)
                yield from self._watched(order)
            order.sentence = ""
        except Trouble as trouble:
            order.sentence = str(trouble)
        finally:
            order.ended.set()
            if order.given_up.is_set():  # who ordered it has not waited, and may have been too early
                shutil.rmtree(order.folder, ignore_errors=True)

    def _reached(self, order: Order) -> Sliced:
        """Until a server that is on its way is there, and the picture before is put away."""
        until_s = time.monotonic() + LOST_S
        while self._frames.view.running or self._side.view.link.state in ON_THE_WAY:
            if order.given_up.is_set() or time.monotonic() > until_s:
                return
            order.says = self._side.view.link.sentence
            yield LOOK_S

    def _begin(self, order: Order) -> None:
        """Raises `Trouble`."""
        scene, options = scene_now(), self._host.options
        if scene is None or scene.name != order.scene:
            raise Trouble(
                tr(
                    "Impasto paints the scene that the window shows. Show “{name}”, then render again.",
                    name=order.scene,
                )
            )
        if options.source != "camera":
            raise Trouble(tr("F12 paints what the camera shows. Choose Camera as the Render panel's source."))
        if options.picture == "render":
            raise Trouble(
                tr("F12 cannot paint over its own picture. Choose the 3D view's picture in the Render panel.")
            )
        plan, served = self._plan(), self._side.studio.served
        if isinstance(plan, str):
            raise Trouble(plan)
        if served is None:
            raise Trouble(tr("The server is not there. Start it, then try again."))
        if not order.animated or self._side.intent.seed >= 0:
            self._seed = None
        elif self._seed is None:
            self._seed = plan.request.seed
        else:
            plan = replace(plan, request=replace(plan.request, seed=self._seed))
        self._easel.order = order
        self._frames.start(FrameBatch(plan, (order.frame,), order.folder, order.scene), *served)

    def _plan(self) -> Plan | str:
        """Also while previews follow in another mode."""
        side = self._side
        if side.view.link.state != "ready":
            return str(side.view.link.sentence)
        if side.intent.mode != LIVE:
            return side.studio.plan  # type: ignore[no-any-return]
        side.edit(mode="refine")
        try:
            return side.studio.plan  # type: ignore[no-any-return]
        finally:
            side.edit(mode=LIVE)

    def _watched(self, order: Order) -> Sliced:
        """Until it is there. Raises `Trouble`."""
        last_s = time.monotonic()
        while self._frames.view.running:
            link, progress, now_s = self._side.view.link, self._frames.progress, time.monotonic()
            if order.given_up.is_set():
                self._frames.cancel()
                return
            if link.state == "ready":
                last_s = now_s
                if progress is not None and progress.steps:
                    order.share = progress.step / progress.steps
                    order.says = tr(
                        "Painting, step {step} of {steps}", step=progress.step, steps=progress.steps
                    )
            else:
                order.says = link.sentence
                if now_s - last_s > LOST_S:
                    self._frames.cancel()
                    raise Trouble(tr("The server is not there. Start it, then try again."))
            yield LOOK_S
        if not order.path.exists():
            raise Trouble(self._frames.view.sentence or order.sentence)


class _Easel:
    """`impasto_studio.frames.FrameHost`: nothing is kept, and a scene that stands at its frame is not moved,
    which would take back what is not keyed yet."""

    order: Order

    def __init__(self, host: RenderHost) -> None:
        self._host = host

    def capture_frame(
        self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Failed
    ) -> None:
        if self.order.animated:
            self._host.capture_frame(frame, wanted, done, failed)
        else:
            self._host.capture(wanted, done, failed)

    def composed(self, picture: Picture, x: int, y: int, ground: Picture | None) -> Picture:
        """In the render's own size."""
        whole = self._host.composed(picture, x, y, ground)
        return picture_of(resized(array_of(whole), *self.order.size))

    def show_frames(self, frames: tuple[Path, ...], name: str) -> None:
        """Blender shows it itself."""


def _nothing(_: Any) -> None:
    pass
