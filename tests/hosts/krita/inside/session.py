"""Krita itself: waiting, quitting."""

import time

from krita import Krita
from PyQt5 import QtCore


def until(condition, timeout_s=60.0):
    """`yield from until(…)`: Krita's events run until the condition holds."""
    deadline = time.monotonic() + timeout_s

    def holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came within {timeout_s} s")
        return condition()

    yield holds


def pause(seconds):
    """`yield from pause(…)`: lets Krita do what it has to do for so long."""
    end = time.monotonic() + seconds
    yield lambda: time.monotonic() > end


def leave():
    """Begins to quit; nothing asks whether to save."""
    for document in Krita.instance().documents():
        document.waitForDone()
        document.setModified(False)
    QtCore.QTimer.singleShot(0, Krita.instance().action("file_quit").trigger)
    return True
