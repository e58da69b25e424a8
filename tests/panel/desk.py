"""The panel in a main window, for the checks: real key events, real clicks."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

from look_at import settle

from fake_studio import TYPED, FakeStudio  # isort: skip
from impasto.panel import Panel
from impasto.qt import QT_MAJOR, QShortcut, QtCore, QtGui, QtWidgets
from impasto_studio.view import View

QtTest = importlib.import_module(f"PyQt{QT_MAJOR}.QtTest")
Key = QtCore.Qt.Key
Mod = QtCore.Qt.KeyboardModifier
NONE = Mod.NoModifier
LEFT_BUTTON = QtCore.Qt.MouseButton.LeftButton


class Desk:
    """The panel inside a main window that has shortcuts of its own, as Krita has."""

    def __init__(self, app: QtWidgets.QApplication, **kept: Any) -> None:
        self.app = app
        self.studio = FakeStudio()
        if kept:
            self.studio.kept["impasto-panel"] = json.dumps(kept)
        self.fired: list[str] = []
        self.window = QtWidgets.QMainWindow()
        for keys in (
            "Ctrl+Backspace",
            "Ctrl+Up",
            "Ctrl+A",
            "B",
            "5",
            "Esc",
            "Shift+Return",
            "Alt+Up",
            "Delete",
        ):
            shortcut = QShortcut(QtGui.QKeySequence(keys), self.window)
            shortcut.activated.connect(lambda keys=keys: self.fired.append(keys))
        dock = QtWidgets.QDockWidget("Impasto")
        self.panel = Panel(self.studio, self.studio)
        dock.setWidget(self.panel)
        self.window.setCentralWidget(QtWidgets.QLabel("canvas"))
        self.window.addDockWidget(QtCore.Qt.DockWidgetArea.RightDockWidgetArea, dock)
        self.window.resize(900, 900)
        self.window.show()
        app.setActiveWindow(self.window)
        self.window.activateWindow()
        settle(app)
        self.show(TYPED)

    def show(self, view: View) -> None:
        self.view = view
        self.panel.show_view(view)
        settle(self.app)

    def echo(self) -> None:
        """The studio answers with what it was told last."""
        self.show(replace(self.view, intent=self.studio.intents[-1]))

    def press(self, key: int, modifiers: Any = NONE) -> None:
        focus = self.app.focusWidget()
        assert focus is not None, "nothing has the focus"
        QtTest.QTest.keyClick(focus, key, modifiers)
        settle(self.app)

    def click(self, widget: QtWidgets.QWidget, at: QtCore.QPoint | None = None) -> None:
        QtTest.QTest.mouseClick(widget, LEFT_BUTTON, NONE, at or QtCore.QPoint())
        settle(self.app)

    @property
    def prompt(self) -> Any:
        return self.panel._prompt.prompt

    def write(self, text: str) -> None:
        self.prompt.setFocus()
        settle(self.app)
        self.prompt.show_text(text)
        self.prompt.moveCursor(QtGui.QTextCursor.MoveOperation.End)

    def named(self, name: str, kind: type = QtWidgets.QAbstractButton) -> Any:
        """The visible widget of that accessible name or text."""
        for widget in self.panel.findChildren(kind):
            text = widget.text() if hasattr(widget, "text") else ""
            if widget.isVisible() and name in (widget.accessibleName(), text):
                return widget
        raise AssertionError(f"no visible {kind.__name__} named {name!r}")

    def close(self) -> None:
        self.window.close()
        self.window.deleteLater()
        settle(self.app)
