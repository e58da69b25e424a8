"""Krita as the studio's host."""

from typing import Callable, Optional

from impasto_studio.host import Animation, Capture, Captured, Failed, NewLayer, Scene, Seen, Shown, Watch
from krita import Krita

from ..qt import Qt, QtCore, Signal
from .animation import animate
from .annotations import keep, kept
from .canvas import Canvas, CanvasFinder
from .capture import capture
from .documents import Documents
from .insert import insert
from .overlay import Overlay
from .pen import Pen
from .scene import scene_of
from .scratch import Scratch
from .slices import Pause, Slices, Steps
from .watch import follow

__all__ = ["KritaHost"]

GROUP = "impasto"  # of the settings in kritarc
AGAIN_MS = 1000  # after Krita refused to be watched


class KritaHost(QtCore.QObject):
    """`impasto_studio.host.Host`. Made on the UI thread."""

    _called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._documents = Documents()
        self._scratch = Scratch(self._documents)
        self._slices = Slices()
        self._finder = CanvasFinder()
        self._pen = Pen()
        self._overlay = Overlay(self._documents, self._pen)
        self._watching: Optional[Steps[None]] = None
        self._called.connect(self._call, Qt.ConnectionType.QueuedConnection)

    @property
    def name(self) -> str:
        return f"Krita {Krita.instance().version()}"

    def call_soon(self, do: Callable[[], None]) -> None:
        self._called.emit(do)

    def _call(self, do: Callable[[], None]) -> None:
        do()

    def scene(self) -> Optional[Scene]:
        active = self._documents.active()
        return scene_of(active[1], active[0]) if active is not None else None

    def capture(self, wanted: Capture, done: Callable[[Captured], None], failed: Failed) -> None:
        self._slices.start(capture(wanted, self._documents, self._scratch), done, failed)

    def insert(self, layer: NewLayer, done: Callable[[str], None], failed: Failed) -> None:
        self._slices.start(insert(layer, self._documents, self._scratch), done, failed)

    def preview(self, shown: Optional[Shown]) -> bool:
        return self._overlay.show(shown)

    def watch(self, wanted: Optional[Watch], seen: Seen) -> None:
        before, self._watching = self._watching, None
        if before is not None:
            self._slices.stop(before)
        if wanted is None:
            self._pen.follow(None)
        else:
            self._follow(wanted, seen, 0)

    def _follow(self, wanted: Watch, seen: Seen, after_ms: int) -> None:
        def steps() -> Steps[None]:
            yield Pause(after_ms)
            yield from follow(wanted, self._documents, self._scratch, self._pen, self._finder.front, seen)

        def refused(_: object) -> None:
            """A document that is just being closed, say."""
            if self._watching is running:
                self._follow(wanted, seen, AGAIN_MS)

        running = self._watching = steps()
        self._slices.start(running, refused, refused)

    def animate(self, animation: Animation, done: Callable[[], None], failed: Failed) -> None:
        self._slices.start(animate(animation), lambda _: done(), failed)

    def front_canvas(self) -> Optional[Canvas]:
        """Where the active document lies on the screen; None if it cannot be told."""
        active = self._documents.active()
        return self._finder.front(active[1]) if active is not None else None

    def remember(self, document: str, key: str, data: bytes) -> None:
        found = self._documents.find(document)
        if found is not None:
            keep(found, key, data)

    def recall(self, document: str, key: str) -> bytes:
        found = self._documents.find(document)
        return kept(found, key) if found is not None else b""

    def save_setting(self, key: str, text: str) -> None:
        Krita.instance().writeSetting(GROUP, key, text)

    def load_setting(self, key: str) -> str:
        return str(Krita.instance().readSetting(GROUP, key, ""))
