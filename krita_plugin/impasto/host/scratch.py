"""A document of the plugin's own, never shown, for what Krita's API has no other way to.

* Paint layers in sRGB for pictures in any colour space. `Node.setColorSpace` would do too, but it refreshes
  the whole picture (0.6 s at 2048² in 32 bits) and leaves a second undo step, even on a layer that is in no
  picture yet.
* Pixels of a layer in any colour space as 8-bit sRGB: Krita converts them by compositing them here.
* Transparency masks: those that `createNode` makes have no pixels and crash when they are saved. This one is
  copied from the file, `scratch.kra`.
"""

from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

from krita import Krita

from .documents import Documents
from .nodes import SRGB
from .slices import Trouble

__all__ = ["TILE_PX", "Scratch"]

TILE_PX = 128  # of the file: one tile is converted in under 3 ms, also from 32 bits
FILE = Path(__file__).parent / "scratch.kra"  # made by tests/hosts/krita/inside/template.py


class Scratch:
    """Opened when first needed (about 0.1 s), closed when Krita ends."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._document: Optional[Any] = None
        self._mask: Optional[Any] = None
        self._converters: Dict[Tuple[str, str, str], Any] = {}
        self._attached: Optional[Tuple[str, str, str]] = None
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.close)

    def close(self) -> None:
        """Krita would crash at its end over a document that no window shows."""
        document, self._document = self._document, None
        self._mask = None
        self._converters = {}
        if document is not None:
            document.setModified(False)
            document.close()

    def layer(self, name: str, deep: bool) -> Any:
        """An empty paint layer in sRGB, 8 bits or 16, that belongs to no picture yet."""
        document = self._open()
        node = document.createNode(name, "paintlayer")
        if deep:
            self._quietly(lambda: node.setColorSpace("RGBA", "U16", SRGB))
        return node

    def mask(self) -> Any:
        """A transparency mask that hides everything and belongs to no layer yet."""
        self._open()
        assert self._mask is not None  # comes with the file
        return self._mask.clone()

    def converted(self, model: str, depth: str, profile: str, data: Any, width: int, height: int) -> Any:
        """Pixels of this colour space, at most TILE_PX wide and high, as a QImage in sRGB."""
        document = self._open()
        space = (model, depth, profile)
        if self._attached != space:
            node = self._converters.get(space)
            if node is None:
                node = self._converters[space] = document.createNode("converter", "paintlayer")
                self._quietly(lambda: node.setColorSpace(*space))
            document.rootNode().setChildNodes([node])
            self._attached = space
        self._converters[space].setPixelData(data, 0, 0, width, height)
        self._quietly(document.refreshProjection)
        return document.projection(0, 0, width, height)

    def _open(self) -> Any:
        if self._document is None:
            document = Krita.instance().openDocument(str(FILE))
            if document is None or not document.width():
                raise Trouble("A file of Impasto's plugin is missing: install the plugin again.")
            self._documents.hide(document)
            self._document = document
            self._mask = document.rootNode().childNodes()[0].childNodes()[0].clone()
            self._attached = None
        return self._document

    def _quietly(self, do: Callable[[], Any]) -> None:
        """Nothing of this is worth an autosave."""
        do()
        assert self._document is not None
        if self._document.modified():
            self._document.setModified(False)
