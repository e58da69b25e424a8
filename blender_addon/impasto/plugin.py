"""The wiring: three studios for the program, and the turns they get.

Nothing runs and nothing is sent before a panel is drawn for the first time, and nothing at all when Blender
renders in the background.
"""

import atexit
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import bpy
from impasto_protocol import places
from impasto_studio.intent import LIVE, ControlRow
from impasto_studio.state import INTENT
from impasto_studio.studio import Studio
from impasto_studio.texture.studio import TextureStudio
from impasto_studio.texture.view import TextureState
from impasto_studio.view import View

from .film import Film
from .host import documents
from .host.base import Settings, settings_path
from .host.image_host import ImageHost
from .host.images import at_window
from .host.loop import Loop
from .host.render_host import RenderHost
from .host.texture_host import TextureHost
from .language import follow_language
from .preferences import preferences
from .still import Still

__all__ = ["SIDES", "Impasto", "Side", "begin", "begin_soon", "deafen", "end", "impasto", "listen"]

TURN_S = 0.05
BUSY_TURN_S = 0.002  # while something waits for its next slice
POLL_S = 0.25
SIDES = ("render", "texture", "image")

Shown = TypeVar("Shown", View, TextureState)


class Side(Generic[Shown]):
    """A studio, and what the artist has said and sees of it."""

    def __init__(self, studio: Any, view: Shown, modes: tuple[str, ...] = ()) -> None:
        """`modes`: those of the intent that the panels have; none: it has no modes."""
        self.studio = studio
        self.view = view
        self.picked: dict[str, str] = {}  # what the panel wants to know beside it
        self._modes = modes
        self.intent: Any = view.intent  # as the panel shows it: a turn ahead of the view's

    def edit(self, **fields: Any) -> None:
        """The artist has changed something."""
        intent = replace(self.intent, **fields)
        if intent != self.intent:
            self.intent = intent
            self.studio.change(intent)

    def heard(self, view: Shown) -> None:
        self.view, self.intent = view, view.intent
        if self._modes and view.intent.mode not in self._modes:
            self.edit(mode=self._modes[0])

    @property
    def busy(self) -> bool:
        return any(job.state != "failed" for job in self.view.jobs)


class Impasto:
    """What there is once in the program. `changed` is called with every new view."""

    def __init__(self, home: Path, settings: Settings, changed: Callable[[], None]) -> None:
        self.loop = Loop()
        self.home = home
        self.render_host = RenderHost(self.loop, settings)
        self.texture_host = TextureHost(self.loop, settings)
        self.image_host = ImageHost(self.loop, settings)
        self.render = Studio(self.render_host, home, on_view=lambda view: self._heard("render", view))
        self.texture = TextureStudio(
            self.texture_host, home, on_view=lambda view: self._heard("texture", view)
        )
        self.image = Studio(self.image_host, home, on_view=lambda view: self._heard("image", view))
        self.sides: dict[str, Side[Any]] = {
            "render": Side(self.render, View(), ("refine", LIVE)),
            "texture": Side(self.texture, TextureState()),
            "image": Side(self.image, View(), ("fill", "refine", "upscale")),
        }
        self.film = Film(self.render_host, self.render, changed)
        self.still = Still(self.render_host, self.sides["render"])
        self._changed = changed
        self._next_poll_s = 0.0
        self._may_start = preferences().start_server
        self._newcomer = False  # she has never set anything: the scene's depth is followed

    def open(self) -> None:
        for studio in (self.render, self.texture, self.image):
            studio.open()
        self._newcomer = not self.render_host.load_setting(INTENT)

    def pump(self) -> None:
        """One turn of everything, on the main thread."""
        now_s = time.monotonic()
        if now_s >= self._next_poll_s:
            self._next_poll_s = now_s + POLL_S
            self.poll()
        self.loop.pump()

    def poll_soon(self) -> None:
        """At the next turn."""
        self._next_poll_s = 0.0

    def poll(self) -> None:
        """What nobody tells: another selection, another language, a lost connection."""
        follow_language()
        for studio in (self.render, self.texture, self.image):
            studio.poll()
        self._start_server()

    def close(self) -> None:
        """Lets go of the server; jobs go on there. Nothing of ours is left in Blender's lists."""
        self.film.close()
        self.still.close()
        for studio in (self.render, self.texture, self.image):
            studio.close()
        for host in (self.render_host, self.texture_host, self.image_host):
            host.close()
        self.loop.stop()

    @property
    def busy(self) -> bool:
        return self.film.view.running or any(side.busy for side in self.sides.values())

    def cancel_all(self) -> None:
        self.film.cancel()
        for side in self.sides.values():
            side.studio.cancel_all()

    def _heard(self, name: str, view: Any) -> None:
        side = self.sides[name]
        side.heard(view)
        if name == "render" and self._newcomer and view.model is not None:
            self._newcomer = False
            if "depth" in view.model.controls:
                side.edit(controls=(ControlRow("depth", layer="depth"),))
        self._changed()

    def _start_server(self) -> None:
        """Once, if the artist's preferences say so and none runs."""
        link = self.render.view.link
        if link.state == "ready":
            self._may_start = False
        elif self._may_start and link.state == "absent" and link.can_start:
            self._may_start = False
            self.render.start_server()


_impasto: Impasto | None = None
_listeners: list[Callable[[], None]] = []


def impasto() -> Impasto | None:
    """The one that runs, if any does."""
    return _impasto


def begin() -> Impasto:
    """The one that runs; made now if none does."""
    global _impasto
    if _impasto is None:
        home = preferences().home
        where = Path(bpy.path.abspath(home)) if home else places.home()
        _impasto = Impasto(where, Settings(settings_path()), _tell)
        _impasto.open()
        if not bpy.app.background:  # there, timers do not run, and crash Blender at its end
            bpy.app.timers.register(_turn, first_interval=TURN_S, persistent=True)
        atexit.register(end)
    return _impasto


def begin_soon() -> None:
    """From where Blender lets nobody do anything, as in the drawing of a panel."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_begin_once):
        bpy.app.timers.register(_begin_once, first_interval=0.0, persistent=True)


def end() -> None:
    """Idempotent."""
    global _impasto
    for timer in (_turn, _begin_once):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    atexit.unregister(end)
    if _impasto is not None:
        running, _impasto = _impasto, None
        running.close()
    documents.forget()


def listen(changed: Callable[[], None]) -> None:
    """`changed` is called after each new view."""
    _listeners.append(changed)


def deafen() -> None:
    _listeners.clear()


def _tell() -> None:
    for changed in _listeners:
        changed()


def _begin_once() -> None:
    begin()


def _turn() -> float | None:
    if _impasto is None:
        return None
    try:
        with at_window():  # a timer has none
            _impasto.pump()
    except Exception:  # noqa: BLE001  Blender would never call again, and say nothing in its windows
        traceback.print_exc()
    if _impasto is None:  # switched off in this turn
        return None
    return BUSY_TURN_S if _impasto.loop.busy else TURN_S
