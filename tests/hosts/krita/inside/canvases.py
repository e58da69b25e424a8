"""The canvas in front, as an artist turns and moves it."""

import session
from krita import Krita
from PyQt5 import QtCore, QtGui, QtWidgets


def _view():
    return Krita.instance().activeWindow().activeView()


def widget():
    """The canvas widget in front."""
    area = Krita.instance().activeWindow().qwindow().findChild(QtWidgets.QMdiArea)
    for child in area.currentSubWindow().findChildren(QtWidgets.QWidget):
        if child.metaObject().className() in ("KisQPainterCanvas", "KisOpenGLCanvas2"):
            return child
    raise LookupError("no canvas")


def _bars():
    area = widget().parent().parent()
    return area.horizontalScrollBar(), area.verticalScrollBar()


def fill_screen(width, height):
    """Makes the window large, so that there is canvas to see."""
    window = Krita.instance().activeWindow().qwindow()
    window.setGeometry(0, 0, width, height)
    yield from session.pause(0.3)


def turn(percent=None, rotation=0.0, mirrored=False, pan=(0, 0)):
    """Zoom in percent; then scrolls by the pan, in widget pixels."""
    canvas = _view().canvas()
    canvas.setMirror(mirrored)
    canvas.resetRotation()
    if percent is not None:
        canvas.setZoomLevel(percent / 100)
    canvas.setRotation(rotation)
    yield from session.pause(0.1)
    for bar, by in zip(_bars(), pan, strict=True):
        bar.setValue(bar.value() + by)


def grab(file):
    """What the screen shows of the canvas: R, G, B, A bytes; returns width and height in the screen's
    pixels."""
    canvas = widget()
    corner = canvas.mapToGlobal(QtCore.QPoint(0, 0))
    pixmap = canvas.screen().grabWindow(0, corner.x(), corner.y(), canvas.width(), canvas.height())
    image = pixmap.toImage().convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    with open(file, "wb") as to:
        to.write(image.constBits().asstring(image.sizeInBytes()))
    return [image.width(), image.height()]


def panes():
    """How many widgets the host has laid over the canvas, and whether a click goes through them."""
    canvas = widget()
    laid = [child for child in canvas.children() if type(child).__name__ == "_Pane" and child.isVisible()]
    through = all(canvas.childAt(child.geometry().center()) is None for child in laid)
    return [len(laid), through]


def faded():
    """Whether what is laid over the canvas lets the drawing through at the moment."""
    return [child._faded for child in widget().children() if type(child).__name__ == "_Pane"]


def wait(seconds):
    yield from session.pause(seconds)


def place():
    """Left, top, width and height of the canvas on the screen."""
    canvas = widget()
    corner = canvas.mapToGlobal(QtCore.QPoint(0, 0))
    return [corner.x(), corner.y(), canvas.width(), canvas.height()]
