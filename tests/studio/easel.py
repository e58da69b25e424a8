"""`Easel`: a document program in memory, honest and small. And ways to drive a studio on it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto_protocol.rasters import PixelFormat, bytes_per_pixel, raster_size
from impasto_studio.geometry import Box
from impasto_studio.host import (
    Animation,
    Capture,
    Captured,
    Failed,
    LayerEntry,
    NewLayer,
    Picture,
    Scene,
    Seen,
    Shown,
    Watch,
)
from impasto_studio.studio import Studio
from impasto_studio.view import View

PATIENCE_S = 60.0


def cut(picture: Picture, box: Box) -> Picture:
    """A box of a picture; zeros where it goes beyond."""
    size = bytes_per_pixel(picture.format)
    rows = []
    for y in range(box.y, box.bottom):
        left, right = max(0, box.x), min(picture.width, box.right)
        if not 0 <= y < picture.height or left >= right:
            rows.append(bytes(size * box.width))
            continue
        start = (y * picture.width + left) * size
        inside = picture.pixels[start : start + (right - left) * size]
        rows.append(bytes(size * (left - box.x)) + inside + bytes(size * (box.right - right)))
    return Picture(box.width, box.height, picture.format, b"".join(rows))


def selecting(size: tuple[int, int], box: Box) -> Picture:
    """A hard mask of a document's size."""
    empty = Picture(*size, PixelFormat.GRAY8, b"\xff" * raster_size(*size, PixelFormat.GRAY8))
    inside = cut(empty, box)
    return cut(inside, Box(-box.x, -box.y, *size))


@dataclass
class Document:
    width: int
    height: int
    selection: Box | None = None
    active: str = ""
    layers: dict[str, NewLayer] = field(default_factory=dict)  # oldest first
    kept: dict[str, bytes] = field(default_factory=dict)
    colour: bytes = b"\x40\x80\xc0\xff"

    @property
    def picture(self) -> Picture:
        """What the artist sees: one colour, whatever was put in."""
        return Picture(self.width, self.height, PixelFormat.RGBA8, self.colour * (self.width * self.height))


class Easel:
    """Implements `Host`. Its loop runs when `turn` is called. Calls on other threads fail."""

    name = "Easel 1.0"

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.active: str | None = None
        self.shown: Shown | None = None
        self.previews: list[Shown | None] = []
        self.can_preview = True
        self.settings: dict[str, str] = {}
        self.captures: list[Capture] = []
        self.held: list[Callable[[], None]] | None = None  # a list: captures wait in it
        self.refuse_insert = ""
        self.watched: Watch | None = None
        self.watches: list[Watch | None] = []
        self.animations: list[Animation] = []
        self.frames: list[list[bytes]] = []  # the files of each animation, as they were
        self.refuse_animation = ""
        self._seen: Seen | None = None
        self._soon: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.get_ident()
        self._layers = 0

    def open(self, document: str, width: int, height: int, selection: Box | None = None) -> Document:
        made = self.documents[document] = Document(width, height, selection)
        self.active = document
        return made

    def close(self, document: str) -> None:
        del self.documents[document]
        if self.active == document:
            self.active = None

    @property
    def document(self) -> Document:
        assert self.active is not None
        return self.documents[self.active]

    def draw(self, colour: bytes) -> None:
        """A stroke: the picture has another colour, and who watches sees it."""
        self.document.colour = colour
        self.call_soon(self._see)

    def _see(self) -> None:
        wanted, seen = self.watched, self._seen
        document = self.documents.get(wanted.document) if wanted is not None else None
        if wanted is None or seen is None or document is None:
            return
        size, area = (wanted.width, wanted.height), wanted.width * wanted.height
        picture = Picture(*size, PixelFormat.RGBA8, document.colour * area)
        mask = Picture(*size, PixelFormat.GRAY8, b"\xff" * area) if wanted.mask else None
        layers = {name: Picture(*size, PixelFormat.RGBA8, bytes(4 * area)) for name in wanted.controls}
        seen(Captured(picture, mask, tuple(layers[name] if name else picture for name in wanted.controls)))

    def turn(self) -> None:
        """Runs what is due now, and what that makes due."""
        while not self._soon.empty():
            self._soon.get()()

    # ── Host ─────────────────────────────────────────────────────────────────────────────────────────────

    def call_soon(self, do: Callable[[], None]) -> None:
        self._soon.put(do)

    def scene(self) -> Scene | None:
        self._on_its_thread()
        if self.active is None:
            return None
        document = self.document
        layers = tuple(LayerEntry(name, layer.name) for name, layer in reversed(document.layers.items()))
        return Scene(
            self.active, document.width, document.height, document.selection, document.active, layers
        )

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        self._on_its_thread()
        self.captures.append(wanted)

        def read() -> None:
            document = self.documents.get(wanted.document)
            if document is None:
                failed("The document was closed.")
                return
            picture = cut(document.picture, wanted.box)
            mask = None
            if wanted.mask:
                assert document.selection is not None
                mask = cut(selecting((document.width, document.height), document.selection), wanted.box)
            done(Captured(picture if wanted.image else None, mask, tuple(picture for _ in wanted.controls)))

        if self.held is None:
            self.call_soon(read)
        else:
            self.held.append(read)

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        self._on_its_thread()
        document = self.documents.get(layer.document)
        if document is None or self.refuse_insert:
            self.call_soon(lambda: failed(self.refuse_insert or "The document was closed."))
            return
        picture = layer.picture
        assert len(picture.pixels) == raster_size(picture.width, picture.height, picture.format)
        self._layers += 1
        name = f"layer-{self._layers}"
        document.layers[name] = layer
        document.active = name
        if layer.resize is not None:
            document.width, document.height = layer.resize.size
        self.call_soon(lambda: done(name))

    def preview(self, shown: Shown | None) -> bool:
        self._on_its_thread()
        if not self.can_preview:
            return False
        self.shown = shown
        self.previews.append(shown)
        return True

    def watch(self, wanted: Watch | None, seen: Seen) -> None:
        self._on_its_thread()
        self.watched, self._seen = wanted, seen
        self.watches.append(wanted)
        self.call_soon(self._see)

    def animate(self, animation: Animation, done: Callable[[], None], failed: Failed) -> None:
        self._on_its_thread()
        self.animations.append(animation)
        self.frames.append([frame.read_bytes() for frame in animation.frames])
        refusal = self.refuse_animation
        self.call_soon((lambda: failed(refusal)) if refusal else done)

    def remember(self, document: str, key: str, data: bytes) -> None:
        self._on_its_thread()
        if document in self.documents:
            self.documents[document].kept[key] = data

    def recall(self, document: str, key: str) -> bytes:
        self._on_its_thread()
        return self.documents[document].kept.get(key, b"") if document in self.documents else b""

    def save_setting(self, key: str, text: str) -> None:
        self._on_its_thread()
        self.settings[key] = text

    def load_setting(self, key: str) -> str:
        self._on_its_thread()
        return self.settings.get(key, "")

    def _on_its_thread(self) -> None:
        assert threading.get_ident() == self._thread, "the host was called on another thread"


class Driven:
    """A studio with the views it published, driven against real threads and a real server."""

    def __init__(self, easel: Easel, home: Path, **options: Any) -> None:
        self.easel = easel
        self.views: list[View] = []
        self.studio = Studio(easel, home, on_view=self.views.append, **options)
        self.studio.open()

    @property
    def view(self) -> View:
        return self.studio.view

    def until(self, condition: Callable[[View], object], patience_s: float = PATIENCE_S) -> View:
        """Turns the host's loop and its timer until a view is as wanted."""
        end = time.monotonic() + patience_s
        while True:
            self.easel.turn()
            if condition(self.view):
                return self.view
            assert time.monotonic() < end, f"it did not come to that: {self.view}"
            self.studio.poll()
            time.sleep(0.005)


@contextmanager
def driven(easel: Easel, home: Path, **options: Any) -> Iterator[Driven]:
    one = Driven(easel, home, **options)
    try:
        yield one
    finally:
        one.studio.close()
        for worker in one.studio._workers:
            worker.join(10.0)  # type: ignore[attr-defined]
