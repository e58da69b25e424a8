"""The scene's frames painted one after another: what the panel *Animation* does."""

from collections.abc import Callable
from typing import Any

from impasto_studio.frames import FrameBatch, Frames, FramesView, recipe_key
from impasto_studio.studio import Studio
from impasto_studio.texts import tr
from impasto_studio.workers import WorkerThread

from .host.loop import Trouble
from .host.render_host import RenderHost

__all__ = ["Film"]

TITLE_LETTERS = 24


class Film:
    """One batch at a time, with the Render panel's recipe."""

    def __init__(self, host: RenderHost, studio: Studio, changed: Callable[[], None]) -> None:
        self.own_seeds = False
        self._host = host
        self._studio = studio
        self._worker = WorkerThread("impasto-frames", host.call_soon)
        self._frames = Frames(host, self._worker, changed)

    @property
    def view(self) -> FramesView:
        return self._frames.view

    def start(self, scene: Any) -> None:
        """All frames of the scene that are not there yet. Raises `Trouble`."""
        plan, served = self._studio.plan, self._studio.served
        if isinstance(plan, str):
            raise Trouble(plan)
        if served is None:
            raise Trouble(tr("The server is not there. Start it, then try again."))
        title = plan.request.prompt[:TITLE_LETTERS].strip() or scene.name
        key = recipe_key(plan, self.own_seeds, repr(self._host.options))
        frames = tuple(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))
        folder = self._host.frames_folder(title, key)
        self._frames.start(FrameBatch(plan, frames, folder, title, self.own_seeds), *served)

    def cancel(self) -> None:
        self._frames.cancel()

    def close(self) -> None:
        self._frames.cancel()
        self._worker.close()
