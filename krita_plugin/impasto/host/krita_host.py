"""Krita as the studio's host."""

from typing import Callable, Optional

from impasto_studio.host import Capture, Captured, Failed, NewLayer, Scene, Shown
from krita import Krita

from ..qt import Qt, QtCore, Signal
from .annotations import keep, kept
from .canvas import Canvas, CanvasFinder
from .capture import capture
from .documents import Documents
from .insert import insert
from .overlay import Overlay
from .scene import scene_of
from .scratch import Scratch
from .slices import Slices

__all__ = ["KritaHost"]

GROUP = "impasto"  # of the settings in kritarc


class KritaHost(QtCore.QObject):
    """`impasto_studio.host.Host`. Made on the UI thread."""

    _called = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._documents = Documents()
        self._scratch = Scratch(self._documents)
        self._slices = Slices()
        self._finder = CanvasFinder()
        self._overlay = Overlay(self._documents)
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
