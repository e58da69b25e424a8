"""Where a document's pixels are on the screen.

Newer versions of Krita give the transform. 5.1.5 tells zoom, rotation and mirroring, and lacks the offset;
but its canvas is a scroll area, and the values of the scroll bars are the distance from the upper left
corner of the turned picture's bounding rectangle to that of the canvas widget, in the widget's pixels.
(Tried: tests/hosts/krita/ test_overlay.py.)"""

from typing import Any, NamedTuple, Optional, Tuple

from krita import Krita

from ..qt import QtCore, QtGui, QtWidgets

__all__ = ["Canvas", "CanvasFinder"]

CANVAS_CLASSES = ("KisOpenGLCanvas2", "KisQPainterCanvas")
POINTS_PER_INCH = 72.0  # Krita's zoom level is of the printed size


class Canvas(NamedTuple):
    """The canvas in front: its widget, and where document pixels lie on it (logical widget pixels)."""

    widget: Any
    transform: Any  # QTransform


class CanvasFinder:
    """Finds the canvas in front. Looking through Krita's widgets takes a millisecond: what was found is kept
    until another view comes to the front or the canvas is made anew."""

    def __init__(self) -> None:
        self._window: Any = None
        self._area: Any = None
        self._frame: Any = None
        self._scroll: Any = None
        self._widget: Any = None

    def front(self, document: Any) -> Optional[Canvas]:
        """None: another document is in front, or this Krita is built differently."""
        window = Krita.instance().activeWindow()
        view = window.activeView() if window is not None else None
        if view is None or view.document() != document or not self._look(window.qwindow()):
            return None
        told = hasattr(view, "flakeToCanvasTransform")
        return Canvas(self._widget, _told(view) if told else _inferred(view, document, self._scroll))

    def _look(self, window: Any) -> bool:
        if window is not self._window:
            self._window, self._area = window, window.findChild(QtWidgets.QMdiArea)
        frame = self._area.currentSubWindow() if self._area is not None else None
        if frame is not self._frame:
            self._forget()
            self._frame = frame
        if frame is not None and self._widget is None:
            self._scroll, self._widget = _canvas_in(frame)
            if self._widget is not None:
                self._widget.destroyed.connect(self._forget)
        return self._widget is not None

    def _forget(self) -> None:
        self._frame = self._scroll = self._widget = None


def _told(view: Any) -> Any:
    return view.flakeToImageTransform().inverted()[0] * view.flakeToCanvasTransform()


def _inferred(view: Any, document: Any, scroll: Any) -> Any:
    canvas = view.canvas()
    zoom = canvas.zoomLevel() * POINTS_PER_INCH
    turned = QtGui.QTransform.fromScale(zoom / document.xRes(), zoom / document.yRes())
    if canvas.mirror():
        turned *= QtGui.QTransform.fromScale(-1, 1)
    turned *= QtGui.QTransform().rotate(canvas.rotation())
    bounds = turned.mapRect(QtCore.QRectF(0, 0, document.width(), document.height()))
    left = -scroll.horizontalScrollBar().value() - bounds.left()
    top = -scroll.verticalScrollBar().value() - bounds.top()
    return turned * QtGui.QTransform.fromTranslate(left, top)


def _canvas_in(frame: Any) -> Tuple[Any, Any]:
    """The scroll area and the canvas widget in it; None, None if there is none."""
    for area in frame.findChildren(QtWidgets.QAbstractScrollArea):
        for child in area.viewport().children():
            if child.metaObject().className() in CANVAS_CLASSES:
                return area, child
    return None, None
