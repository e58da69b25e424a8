"""Animations, as Krita has them."""

import base64

from krita import Krita
from PyQt5 import QtGui
from session import pause


def newest():
    return Krita.instance().documents()[-1]


def info():
    """The newest document, and which one is in front."""
    document = newest()
    layer = document.rootNode().childNodes()[-1]
    last = document.fullClipRangeEndTime()
    return {
        "name": document.name(),
        "file": document.fileName(),
        "size": [document.width(), document.height()],
        "layer": layer.name(),
        "animated": layer.animated(),
        "keyframes": [layer.hasKeyframeAtTime(time) for time in range(last + 2)],
        "rate": document.framesPerSecond(),
        "last": last,
        "modified": document.modified(),
        "in front": Krita.instance().activeDocument() == document,
    }


def close():
    """Without a question."""
    document = newest()
    document.setModified(False)
    document.close()
    yield from pause(0.3)
    return True


def frame(time):
    """What the newest document shows at a time: RGBA8, base64."""
    document = newest()
    document.setCurrentTime(time)
    yield from pause(0.3)
    document.waitForDone()
    document.refreshProjection()
    document.waitForDone()
    image = document.projection(0, 0, document.width(), document.height())
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    return base64.b64encode(image.constBits().asstring(image.sizeInBytes())).decode()
