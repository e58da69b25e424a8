"""Pictures of the core as Qt's, converted once each."""

from collections import OrderedDict
from typing import Tuple

from impasto_protocol.rasters import PixelFormat, row_size
from impasto_studio.host import Picture

from ..qt import QtCore, QtGui

__all__ = ["PixmapShelf", "to_image"]

_FORMATS = {
    PixelFormat.RGB8: QtGui.QImage.Format.Format_RGB888,
    PixelFormat.RGBA8: QtGui.QImage.Format.Format_RGBA8888,
    PixelFormat.GRAY8: QtGui.QImage.Format.Format_Grayscale8,
}


def to_image(picture: Picture) -> QtGui.QImage:
    """A copy: Qt does not keep Python's bytes alive."""
    stride = row_size(picture.width, picture.format)
    image = QtGui.QImage(picture.pixels, picture.width, picture.height, stride, _FORMATS[picture.format])
    return image.copy()


class PixmapShelf:
    """Scaled pixmaps, the least recently used go first. Keys hold the picture by identity."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._kept: "OrderedDict[Tuple[int, int, int, int], Tuple[Picture, QtGui.QPixmap]]" = OrderedDict()

    def get(self, picture: Picture, size: QtCore.QSize, ratio: float) -> QtGui.QPixmap:
        """Fits into `size` logical pixels on a screen of `ratio` physical ones each."""
        key = (id(picture), size.width(), size.height(), round(ratio * 100))
        found = self._kept.get(key)
        if found is None:
            physical = QtCore.QSize(round(size.width() * ratio), round(size.height() * ratio))
            image = to_image(picture).scaled(
                physical,
                QtCore.Qt.AspectRatioMode.KeepAspectRatio,
                QtCore.Qt.TransformationMode.SmoothTransformation,
            )
            pixmap = QtGui.QPixmap.fromImage(image)
            pixmap.setDevicePixelRatio(ratio)
            found = self._kept[key] = (picture, pixmap)
            while len(self._kept) > self._places:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found[1]
