"""`Plinth`: a 3D program in memory. And a texture studio on it, with a server in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from impasto_protocol.geometry import Part, pack
from impasto_protocol.messages import Camera, LayerInfo, Recipe, TextureView
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_studio.host import Failed, LayerEntry, Picture
from impasto_studio.texture.host import (
    Gather,
    Gathered,
    NewTextures,
    ObjectEntry,
    Textured,
    TextureScene,
)
from impasto_studio.texture.studio import TextureStudio
from impasto_studio.texture.view import TextureState

from tests.studio.fakes import DOCUMENT, LIMITS, MODEL, Pumped, Server

TEXTURING = replace(MODEL, capabilities=(*MODEL.capabilities, "texture"))
ROOMY = replace(LIMITS, canvases=64)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
SUZANNE = ObjectEntry("1" * 16, "Suzanne", 968, True)
CUBE = ObjectEntry("2" * 16, "Cube", 12, False)
CAMERA = LayerEntry("c" * 16, "Camera")


def camera(width: int = 64, height: int = 64) -> Camera:
    return Camera(IDENTITY, IDENTITY, width, height)


def triangle(texture: int = 0) -> Part:
    return Part(texture, bytes(36), b"\0\0\0\0\1\0\0\0\2\0\0\0", bytes(24) if texture >= 0 else b"")


@dataclass
class Plinth:
    """Implements `TextureHost`. Its loop runs when `turn` is called. Calls on other threads fail."""

    objects: list[ObjectEntry] = field(default_factory=lambda: [SUZANNE])
    document: str = DOCUMENT
    cameras: tuple[LayerEntry, ...] = (CAMERA,)
    view: bool = True
    pictures: list[str] = field(default_factory=list)
    worn: list[str] = field(default_factory=list)
    busy: str = ""
    gathers: list[Gather] = field(default_factory=list)
    put_on: list[NewTextures] = field(default_factory=list)
    maps: list[NewTextures | None] = field(default_factory=list)
    shown: dict[str, Picture] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    held: list[Callable[[], None]] | None = None  # a list: gathers wait in it
    refuse_gather: str = ""
    refuse_put: str = ""
    texture_px: int = 0  # of what is gathered; 0: as wanted
    split: int = 1  # textures of each object

    name = "Plinth 1.0"

    def __post_init__(self) -> None:
        self._soon: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.get_ident()

    def turn(self) -> None:
        while not self._soon.empty():
            self._soon.get()()

    # ── TextureHost ──────────────────────────────────────────────────────────────────────────────────────

    def call_soon(self, do: Callable[[], None]) -> None:
        self._soon.put(do)

    def save_setting(self, key: str, text: str) -> None:
        self._on_its_thread()
        self.settings[key] = text

    def load_setting(self, key: str) -> str:
        self._on_its_thread()
        return self.settings.get(key, "")

    def texture_scene(self) -> TextureScene | None:
        self._on_its_thread()
        if not self.document:
            return None
        return TextureScene(
            self.document,
            tuple(self.objects),
            self.cameras,
            self.view,
            tuple(self.pictures),
            tuple(self.worn),
            self.busy,
        )

    def gather(self, wanted: Gather, done: Callable[[Gathered], None], failed: Failed) -> None:
        self._on_its_thread()
        self.gathers.append(wanted)

        def read() -> None:
            if self.refuse_gather:
                failed(self.refuse_gather)
            else:
                done(self._gathered(wanted))

        if self.held is None:
            self.call_soon(read)
        else:
            self.held.append(read)

    def _gathered(self, wanted: Gather) -> Gathered:
        side = self.texture_px or min(wanted.texture_px, 16)
        base = Picture(side, side, PixelFormat.RGBA8, b"\x09" * (4 * side * side)) if wanted.bases else None
        targets = tuple(
            Textured((one,), f"{one[:4]}{part or ''}", side, side, "UVMap", base)
            for one in wanted.objects
            for part in range(self.split)
        )
        cameras = tuple(one.seen or camera(wanted.view_px, wanted.view_px) for one in wanted.views)
        sizes = [(number, one.width * one.height) for number, one in enumerate(cameras)]
        pictures = {
            number: Picture(
                cameras[number].width, cameras[number].height, PixelFormat.RGB8, b"\x07" * (3 * size)
            )
            for number, size in sizes
            if wanted.views[number].picture
        }
        masks = {
            number: Picture(cameras[number].width, cameras[number].height, PixelFormat.GRAY8, b"\xff" * size)
            for number, size in sizes
            if wanted.views[number].mask
        }
        parts = [triangle(number) for number in range(len(targets))]
        return Gathered(pack(parts + [triangle(-1)] * wanted.others), targets, cameras, pictures, masks)

    def put(self, textures: NewTextures, done: Callable[[], None], failed: Failed) -> None:
        self._on_its_thread()
        if self.refuse_put:
            self.call_soon(lambda: failed(self.refuse_put))
            return
        assert textures.document == self.document
        for picture in textures.pictures:
            assert len(picture.pixels) == raster_size(picture.width, picture.height, PixelFormat.RGBA8)
        self.put_on.append(textures)
        self.call_soon(done)

    def show_map(self, textures: NewTextures | None) -> None:
        self._on_its_thread()
        self.maps.append(textures)

    def show_picture(self, name: str, picture: Picture) -> None:
        self._on_its_thread()
        self.shown[name] = picture
        self.pictures.append(name)

    def _on_its_thread(self) -> None:
        assert threading.get_ident() == self._thread, "the host was called on another thread"


def layers(server: Server, job: str, count: int = -1) -> tuple[LayerInfo, ...]:
    """What a server makes of a texture job: the views, then the textures; the first `count` of them."""
    request = server.jobs[job].generate
    texture = request.texture
    assert texture is not None
    if not texture.views and not texture.inspect:
        placed = tuple(TextureView(camera()) for _ in range(texture.around))
        texture = replace(texture, views=placed)
    recipe = Recipe(replace(request, texture=texture), "Fake", "0" * 64)
    views = () if texture.inspect else texture.views
    found = [
        LayerInfo(f"view {n}", 0, 0, one.camera.width, one.camera.height, PixelFormat.RGB8, recipe)
        for n, one in enumerate(views, 1)
    ]
    found += [
        LayerInfo(one.name, 0, 0, one.width, one.height, PixelFormat.RGBA8, recipe, {"covered": 0.75})
        for one in texture.targets
    ]
    return tuple(found[:count] if count >= 0 else found)


class Workshop:
    """A texture studio at a plinth, with a server in memory. `settle` lets all happen that can."""

    def __init__(self, home: Path, server: Server | None = None, plinth: Plinth | None = None) -> None:
        self.plinth = plinth or Plinth()
        self.server = server or Server(models=(TEXTURING,), limits=ROOMY)
        self.workers: dict[str, Pumped] = {}
        self.views: list[TextureState] = []
        self.now_s = 0.0
        self.studio = TextureStudio(
            self.plinth,
            home,
            on_view=self.views.append,
            connect=self.server.connect,  # type: ignore[arg-type]
            worker=self._worker,
            clock=lambda: self.now_s,
        )

    def _worker(self, name: str, call_soon: Callable[[Callable[[], None]], None]) -> Pumped:
        made = self.workers[name.rsplit("-", 1)[-1]] = Pumped(name, call_soon)
        return made

    @property
    def view(self) -> TextureState:
        return self.studio.view

    def open(self) -> TextureState:
        self.studio.open()
        return self.settle()

    def settle(self, *without: str) -> TextureState:
        while True:
            self.plinth.turn()
            waiting = [one for name, one in self.workers.items() if one.errands and name not in without]
            if not waiting:
                return self.view
            waiting[0].work()

    def tick(self, seconds: float = 1.0, *without: str) -> TextureState:
        self.now_s += seconds
        self.studio.poll()
        return self.settle(*without)

    def say(self, **fields: Any) -> TextureState:
        self.plinth.turn()
        self.studio.change(replace(self.view.intent, **fields))
        return self.settle()

    def after(self, do: Callable[[], None]) -> list[str]:
        """The jobs the server got by that."""
        before = set(self.server.jobs)
        do()
        self.settle()
        return [job for job in self.server.jobs if job not in before]

    def start(self, **fields: Any) -> str:
        """Starts a job and returns its id, as the server knows it."""
        self.say(**{"prompt": "red brick", "around": 2, **fields})
        (job,) = self.after(self.studio.start)
        return job

    def finish(self, job: str) -> TextureState:
        self.server.tell(job, "done", layers=layers(self.server, job))
        return self.settle()

    def done(self, **fields: Any) -> str:
        job = self.start(**fields)
        self.finish(job)
        return job
