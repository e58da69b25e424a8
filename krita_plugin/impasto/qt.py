"""Qt for whichever Krita this is: PyQt5 up to 5.3, PyQt6 from 6.0. The only module that knows which.

Elsewhere: `from .qt import QtCore, QtGui, QtWidgets, Signal`, and scoped enums
(`Qt.AlignmentFlag.AlignLeft`), which both have."""

import importlib

__all__ = ["QT_MAJOR", "QAction", "QShortcut", "Qt", "QtCore", "QtGui", "QtWidgets", "Signal", "Slot"]


def _major() -> int:
    """Krita says itself from 5.3 on. Trying imports instead would crash where both bindings are installed."""
    try:
        pykrita = importlib.import_module("pykrita")
    except ImportError:  # not inside Krita: the panel in its own tests
        return 5
    ask = getattr(pykrita, "qt_major_version", None)
    return int(ask()) if ask is not None else 5


QT_MAJOR = _major()
if QT_MAJOR >= 6:
    from PyQt6 import QtCore, QtGui, QtWidgets

    QAction = QtGui.QAction
    QShortcut = QtGui.QShortcut
else:
    from PyQt5 import QtCore, QtGui, QtWidgets

    QAction = QtWidgets.QAction
    QShortcut = QtWidgets.QShortcut

Qt = QtCore.Qt
Signal = QtCore.pyqtSignal
Slot = QtCore.pyqtSlot
