"""Pixels between Krita and the wire: QImages, Krita's B, G, R, A and our R, G, B, A."""

from typing import Any, Tuple

from impasto_protocol.rasters import PixelFormat, bytes_per_pixel, row_size
from impasto_studio.geometry import Box
from impasto_studio.host import Picture

from ..qt import Qt, QtCore, QtGui

__all__ = [
    "Buffer",
    "alpha_rows",
    "fitted_rows",
    "image_of_gray",
    "image_of_krita",
    "image_of_picture",
    "krita_rows",
    "rgba8_of_image",
    "rgba8_of_krita",
    "stretched_rows",
]

_QT = {
    PixelFormat.RGB8: QtGui.QImage.Format.Format_RGB888,
    PixelFormat.RGBA8: QtGui.QImage.Format.Format_RGBA8888,
    PixelFormat.GRAY8: QtGui.QImage.Format.Format_Grayscale8,
    PixelFormat.RGBA16: QtGui.QImage.Format.Format_RGBA64,
}


def _bytes(image: Any) -> Any:
    """The image's memory; valid while it lives. Its rows must have no padding."""
    memory = image.constBits()
    memory.setsize(image.sizeInBytes())
    return memoryview(memory)


class Buffer:
    """A raster that is filled piece by piece; what is never filled stays 0."""

    def __init__(self, box: Box, format: PixelFormat) -> None:
        self.box, self.format = box, format
        self._bytes = bytearray(row_size(box.width, format) * box.height)

    def put(self, piece: Box, rows: Any) -> None:
        """Rows of a piece that lies within the box."""
        size = bytes_per_pixel(self.format)
        row = piece.width * size
        start = ((piece.y - self.box.y) * self.box.width + piece.x - self.box.x) * size
        if piece.width == self.box.width:
            self._bytes[start : start + row * piece.height] = rows
            return
        rows = memoryview(rows)
        for index in range(piece.height):
            to = start + index * self.box.width * size
            self._bytes[to : to + row] = rows[index * row : (index + 1) * row]

    def picture(self) -> Picture:
        """Hands the memory over, to be filled no more: copying 16 MiB would stall the UI for 10 ms."""
        return Picture(self.box.width, self.box.height, self.format, self._bytes)

    def copy(self) -> Picture:
        """As it is now; it may be filled further."""
        return Picture(self.box.width, self.box.height, self.format, bytes(self._bytes))


def rgba8_of_image(image: Any) -> Tuple[Any, Any]:
    """A QImage's pixels as R, G, B, A rows, and the QImage that must be kept while they are used."""
    ours = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    return _bytes(ours), ours


def rgba8_of_krita(data: Any, width: int, height: int) -> Tuple[Any, Any]:
    """Krita's 8-bit B, G, R, A rows as R, G, B, A; and what must be kept while they are used."""
    return rgba8_of_image(image_of_krita(data, width, height))


def image_of_krita(data: Any, width: int, height: int) -> Any:
    """Krita's 8-bit B, G, R, A rows as a QImage of its own memory."""
    return QtGui.QImage(bytes(data), width, height, width * 4, QtGui.QImage.Format.Format_ARGB32).copy()


def image_of_gray(data: bytes, width: int, height: int) -> Any:
    """Rows of one byte a pixel as a QImage of its own memory."""
    return QtGui.QImage(data, width, height, width, QtGui.QImage.Format.Format_Grayscale8).copy()


def image_of_picture(picture: Picture) -> Any:
    """A picture as a QImage of its own memory."""
    row = row_size(picture.width, picture.format)
    data = bytes(picture.pixels)
    return QtGui.QImage(data, picture.width, picture.height, row, _QT[picture.format]).copy()


def fitted_rows(image: Any, width: int, height: int, format: PixelFormat) -> Tuple[Any, Any]:
    """A QImage scaled smoothly, as rows of RGBA8 or GRAY8, and what must be kept while they are used. Rows of
    GRAY8 must be a multiple of four pixels wide."""
    if (image.width(), image.height()) != (width, height):
        image = image.scaled(
            width,
            height,
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    ours = image.convertToFormat(_QT[format])
    return _bytes(ours), ours


def krita_rows(picture: Picture, top: int, rows: int, opaque: bool = False) -> Any:
    """Some rows of a picture as a paint layer in sRGB wants them: B, G, R, A, 8 bits, or 16 for RGBA16.
    `opaque`: without its alpha, which goes into a mask."""
    row = row_size(picture.width, picture.format)
    data = picture.pixels[top * row : (top + rows) * row]
    image = QtGui.QImage(data, picture.width, rows, row, _QT[picture.format])
    deep = picture.format is PixelFormat.RGBA16
    if opaque:
        formats = QtGui.QImage.Format
        image = image.convertToFormat(formats.Format_RGBX64 if deep else formats.Format_RGB32)
    if deep:
        image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA64).rgbSwapped()
    else:
        image = image.convertToFormat(QtGui.QImage.Format.Format_ARGB32)
    return QtCore.QByteArray(bytes(_bytes(image)))


def stretched_rows(image: Any, width: int, height: int, top: int, rows: int) -> Any:
    """Some rows of a QImage enlarged smoothly to this size, as a paint layer in sRGB wants them."""
    formats = QtGui.QImage.Format
    band = QtGui.QImage(width, rows, formats.Format_ARGB32_Premultiplied)
    band.fill(0)
    painter = QtGui.QPainter(band)
    painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
    painter.translate(0, -top)
    painter.scale(width / image.width(), height / image.height())
    painter.drawImage(0, 0, image)  # all of it: bands that are stretched by themselves would show their edges
    painter.end()
    straight = band.convertToFormat(formats.Format_ARGB32)
    return QtCore.QByteArray(bytes(_bytes(straight)))


def alpha_rows(picture: Picture, top: int, rows: int) -> Any:
    """The alpha of some rows, 8 bits, as a mask wants it; a picture without alpha covers everything."""
    if picture.format not in (PixelFormat.RGBA8, PixelFormat.RGBA16):
        return QtCore.QByteArray(b"\xff" * (picture.width * rows))
    row = row_size(picture.width, picture.format)
    size = bytes_per_pixel(picture.format)
    data = picture.pixels[top * row : (top + rows) * row]
    return QtCore.QByteArray(data[size - 1 :: size])  # of 16 bits the higher byte: little-endian
