"""Where things are on the screen, for a hand that moves the mouse, and how the window is laid out."""

from artist import plugin
from krita import Krita
from PyQt5 import QtCore, QtWidgets
from session import pause


def window():
    return Krita.instance().activeWindow().qwindow()


def panel():
    return plugin().panels[0]


def lay_out(width, docker_width, keep=("KisLayerBox", "ToolBox")):
    """A window of this width with Impasto's docker at the right, and only some others: what a painter with a
    small screen has."""
    main = window()
    main.showNormal()
    main.resize(width, int(width * 0.62))
    main.move(0, 0)
    ours = None
    for docker in main.findChildren(QtWidgets.QDockWidget):
        if docker.isAncestorOf(panel()):
            ours = docker
        else:
            docker.setVisible(docker.objectName() in keep)
    layers = main.findChild(QtWidgets.QDockWidget, "KisLayerBox")
    main.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, ours)
    main.splitDockWidget(ours, layers, QtCore.Qt.Orientation.Vertical)
    ours.show()
    yield from pause(0.3)
    main.resizeDocks([ours], [docker_width], QtCore.Qt.Orientation.Horizontal)
    main.resizeDocks([ours, layers], [int(width * 0.5), int(width * 0.1)], QtCore.Qt.Orientation.Vertical)
    main.activateWindow()
    yield from pause(0.5)
    return [docker.objectName() for docker in main.findChildren(QtWidgets.QDockWidget) if docker.isVisible()]


def theme(name):
    """Krita's own colour scheme, by the text of its menu entry."""
    for action in window().findChildren(QtWidgets.QAction):
        if action.text().replace("&", "") == name:
            action.trigger()
            yield from pause(0.8)
            return True
    return False


def _middle(widget):
    at = widget.mapToGlobal(widget.rect().center())
    ratio = widget.devicePixelRatioF()
    return [int(at.x() * ratio), int(at.y() * ratio)]


def button(text):
    """The middle of a visible button of the panel with this text or accessible name."""
    for found in panel().findChildren(QtWidgets.QAbstractButton):
        if found.isVisible() and text in (found.text().replace("&", ""), found.accessibleName()):
            _show(found)
            return _middle(found)
    named = [one.text() or one.accessibleName() for one in panel().findChildren(QtWidgets.QAbstractButton)]
    raise LookupError(f"no button {text!r}; there are {named}")


def _show(widget):
    """Scrolls to it, as a painter would."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QtWidgets.QScrollArea):
        parent = parent.parentWidget()
    if parent is not None:
        parent.ensureWidgetVisible(widget)


def prompt():
    """The prompt's field."""
    field = panel().findChildren(QtWidgets.QPlainTextEdit)[0]
    _show(field)
    return _middle(field)


def typed():
    return panel().findChildren(QtWidgets.QPlainTextEdit)[0].toPlainText()


def _area():
    return window().findChild(QtWidgets.QMdiArea).currentSubWindow().findChild(QtWidgets.QAbstractScrollArea)


def canvas():
    """Left, top, width and height of the canvas on the screen."""
    port = _area().viewport()
    at = port.mapToGlobal(QtCore.QPoint(0, 0))
    ratio = port.devicePixelRatioF()
    return [int(value * ratio) for value in (at.x(), at.y(), port.width(), port.height())]


def select_tool(action):
    Krita.instance().action(action).trigger()
    yield from pause(0.3)
    return True


def centre():
    """The document in the middle of the canvas, at 100 %."""
    Krita.instance().activeWindow().activeView().canvas().setZoomLevel(1.0)
    yield from pause(0.3)
    for bar in (_area().horizontalScrollBar(), _area().verticalScrollBar()):
        bar.setValue((bar.minimum() + bar.maximum()) // 2)
    yield from pause(0.3)
    return True


def fold(on):
    """The docker to one line, or back."""
    panel()._fold(on)
    yield from pause(0.5)
    return panel().folded


def bar():
    """Where the bar at the selection is on the screen and what can be clicked there; None without one."""
    strip = plugin()._bar._strip
    if strip is None or not strip.isVisible():
        return None
    at = strip.mapToGlobal(QtCore.QPoint(0, 0))
    buttons = {
        found.text() or found.accessibleName(): _middle(found)
        for found in strip.findChildren(QtWidgets.QAbstractButton)
        if found.isVisible()
    }
    fields = [_middle(field) for field in strip.findChildren(QtWidgets.QPlainTextEdit) if field.isVisible()]
    return {"box": [at.x(), at.y(), strip.width(), strip.height()], "buttons": buttons, "fields": fields}


def settings():
    """Opens the settings page."""
    panel().open_settings()
    yield from pause(0.5)
    return True


def panels():
    """How many dockers there are, and whether each shows the newest view."""
    return [one._view is plugin().studio.view for one in plugin().panels]


def open_window():
    Krita.instance().action("view_newwindow").trigger()
    yield from pause(1.5)
    return len(Krita.instance().windows())


def close_newest_window():
    Krita.instance().windows()[-1].qwindow().close()
    yield from pause(1.0)
    return len(Krita.instance().windows())
