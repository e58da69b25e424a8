"""A picture over the canvas that the document knows nothing of."""

from typing import Any, Optional

from impasto_protocol.rasters import PixelFormat, row_size
from impasto_studio.host import Picture, Shown

from ..qt import Qt, QtCore, QtGui, QtWidgets
from .canvas import Canvas, CanvasFinder
from .documents import Documents
from .pen import Pen

__all__ = ["Overlay"]

FOLLOW_MS = 33  # how often zoom, pan, rotation and mirroring are asked for while something is shown
FADED = 0.25  # opacity of a live preview while the pen is down: the stroke below is what counts then
CLEAR_MS = 350  # after the pen has lifted: hatching must not flicker
TAG_MARGIN_PX = 6
SHARP_ZOOM = 2.0  # from here on Krita shows pixels as squares, and so do we


class Overlay(QtCore.QObject):
    """At most one picture, in the view in front."""

    def __init__(self, documents: Documents, pen: Pen) -> None:
        super().__init__()
        self._documents = documents
        self._pen = pen
        self._finder = CanvasFinder()
        self._shown: Optional[Shown] = None
        self._pane: Optional[_Pane] = None
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(FOLLOW_MS)
        self._timer.timeout.connect(self._follow)
        self._clearing = QtCore.QTimer(self)
        self._clearing.setSingleShot(True)
        self._clearing.setInterval(CLEAR_MS)
        self._clearing.timeout.connect(self._fade)
        pen.went_down.connect(self._clearing.stop)
        pen.went_down.connect(self._fade)
        pen.went_up.connect(self._clearing.start)

    def _fade(self) -> None:
        if self._pane is not None:
            self._pane.fade(self._pen.down)

    def show(self, shown: Optional[Shown]) -> bool:
        """Returns whether it can be seen; taking away always works."""
        self._shown = shown
        canvas = self._canvas()
        if shown is None or canvas is None:
            self._shown = None
            self._timer.stop()
            self._take_away()
            return shown is None
        self._place(canvas, shown)
        self._timer.start()
        return True

    def _canvas(self) -> Optional[Canvas]:
        document = self._documents.find(self._shown.document) if self._shown is not None else None
        return self._finder.front(document) if document is not None else None

    def _follow(self) -> None:
        """While another document is in front, the picture waits."""
        canvas = self._canvas()
        if canvas is None or self._shown is None:
            self._take_away()
        else:
            self._place(canvas, self._shown)

    def _place(self, canvas: Canvas, shown: Shown) -> None:
        pane = self._pane
        if pane is None or pane.parent() is not canvas.widget:
            self._take_away()
            pane = self._pane = _Pane(canvas.widget)
            pane.destroyed.connect(self._gone)  # with the view it lies in
            pane.fade(self._pen.down)
        pane.put(shown, canvas.transform)

    def _take_away(self) -> None:
        pane, self._pane = self._pane, None
        if pane is not None:
            pane.destroyed.disconnect(self._gone)
            pane.hide()
            pane.deleteLater()

    def _gone(self) -> None:
        self._pane = None


class _Pane(QtWidgets.QWidget):
    """Lets pen and pointer through to the canvas below."""

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        for attribute in (
            Qt.WidgetAttribute.WA_TransparentForMouseEvents,
            Qt.WidgetAttribute.WA_NoSystemBackground,
        ):
            self.setAttribute(attribute)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._shown: Optional[Shown] = None
        self._image: Optional[Any] = None
        self._transform = QtGui.QTransform()
        self._faded = False

    def fade(self, on: bool) -> None:
        if on != self._faded:
            self._faded = on
            self.update()

    def put(self, shown: Shown, transform: Any) -> None:
        """Where the picture is to be; nothing is painted again if it is there."""
        if shown is not self._shown:
            if self._shown is None or shown.picture is not self._shown.picture:
                self._image = _image(shown.picture)
            self._shown = shown
        elif transform == self._transform and self.isVisible():
            return
        self._transform = transform
        covered = transform.mapRect(QtCore.QRectF(*shown.box)).toAlignedRect().adjusted(-1, -1, 1, 1)
        self.setGeometry(covered.intersected(self.parentWidget().rect()))
        self.update()
        self.show()

    def paintEvent(self, event: Any) -> None:
        assert self._shown is not None  # it is shown by `put`
        painter = QtGui.QPainter(self)
        painter.setTransform(
            self._transform * QtGui.QTransform.fromTranslate(-self.x(), -self.y()), combine=False
        )
        scale = self._transform.determinant()
        if abs(scale) < SHARP_ZOOM**2:
            painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        box = QtCore.QRectF(*self._shown.box)
        if self._shown.label:
            painter.setOpacity(FADED if self._faded else 1.0)
        painter.drawImage(box, self._image)
        if self._shown.label:
            painter.setOpacity(1.0)
            self._mark(painter, box)
        painter.end()

    def _mark(self, painter: Any, box: Any) -> None:
        """A dashed frame around the picture, and what it is, in a corner that can be seen."""
        assert self._shown is not None
        for colour, dashes in (("#000000", []), ("#ffffff", [4.0, 4.0])):
            pen = QtGui.QPen(QtGui.QColor(colour), 1)
            pen.setCosmetic(True)
            if dashes:
                pen.setDashPattern(dashes)
            painter.setPen(pen)
            painter.drawRect(box)
        painter.resetTransform()
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        metrics, text = painter.fontMetrics(), self._shown.label
        pad = metrics.height() // 3
        tag = metrics.boundingRect(text).adjusted(-2 * pad, -pad, 2 * pad, pad)
        tag.moveTopLeft(QtCore.QPoint(TAG_MARGIN_PX, TAG_MARGIN_PX))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QtGui.QColor(0, 0, 0, 150))
        painter.drawRoundedRect(tag, pad, pad)
        painter.setPen(QtGui.QColor(255, 255, 255))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)


def _image(picture: Picture) -> Any:
    """A QImage of its own memory, in the form that Qt paints fastest."""
    formats = QtGui.QImage.Format
    plain = picture.format is PixelFormat.RGB8
    stored = formats.Format_RGB888 if plain else formats.Format_RGBA8888
    stride = row_size(picture.width, picture.format)
    image = QtGui.QImage(picture.pixels, picture.width, picture.height, stride, stored)
    return image.convertToFormat(formats.Format_RGB32 if plain else formats.Format_ARGB32_Premultiplied)
