"""What can be followed of a document: how it is told whether pixels have changed, and how they are read."""

import zlib
from typing import Any, Callable, Optional

from impasto_studio.geometry import Box

from ..qt import QtGui
from . import nodes
from .pixels import image_of_gray, image_of_krita
from .scratch import TILE_PX, Scratch
from .slices import Steps

__all__ = ["Reader", "layer", "projection", "selection"]


class Reader:
    """Reads one document for a moment. `mark` is another number when pixels of the box are others; `image` is
    a QImage of them, in sRGB or gray."""

    def __init__(self, data: Callable[[Box], Any], image: Callable[[Box], Steps[Any]]) -> None:
        self._data = data
        self.image = image

    def mark(self, box: Box) -> int:
        return zlib.crc32(self._data(box))


def projection(document: Any) -> Optional[Reader]:
    """What the artist sees."""

    def image(box: Box) -> Steps[Any]:
        yield None
        return document.projection(*box)

    return Reader(lambda box: document.pixelData(*box), image)


def selection(document: Any) -> Optional[Reader]:
    """What is selected. Without a selection: nothing."""

    def data(box: Box) -> Any:
        selected = document.selection()
        return bytes(box.area) if selected is None else bytes(selected.pixelData(*box))

    def image(box: Box) -> Steps[Any]:
        yield None
        return image_of_gray(data(box), box.width, box.height)

    return Reader(data, image)


def layer(name: str, scratch: Scratch) -> Callable[[Any], Optional[Reader]]:
    """One layer with its masks and effects, without those above and below."""

    def of(document: Any) -> Optional[Reader]:
        node = nodes.find(document, name)
        if node is None:
            return None
        same = nodes.is_srgb8(node)
        space = node.colorModel(), node.colorDepth(), node.colorProfile()

        def image(box: Box) -> Steps[Any]:
            yield None
            if same:
                return image_of_krita(node.projectionPixelData(*box), box.width, box.height)
            whole = QtGui.QImage(*box.size, QtGui.QImage.Format.Format_ARGB32)
            whole.fill(0)
            for x in range(0, box.width, TILE_PX):
                for y in range(0, box.height, TILE_PX):
                    tile = Box(
                        box.x + x, box.y + y, min(TILE_PX, box.width - x), min(TILE_PX, box.height - y)
                    )
                    data = node.projectionPixelData(*tile)
                    painter = QtGui.QPainter(whole)
                    painter.setCompositionMode(QtGui.QPainter.CompositionMode.CompositionMode_Source)
                    painter.drawImage(x, y, scratch.converted(*space, data, *tile.size))
                    painter.end()
                    yield None
            return whole

        return Reader(lambda box: node.projectionPixelData(*box), image)

    return of
