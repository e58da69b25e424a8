"""What an artist does in Krita with Impasto: selects, asks, waits, looks, undoes. All values are JSON."""

import base64
import dataclasses
import sys

from krita import InfoObject, Krita, Selection
from PyQt5 import QtCore, QtGui
from session import pause, until

SRGB = {"U8": "sRGB-elle-V2-srgbtrc.icc"}


def plugin():
    """The one the program runs."""
    return sys.modules["impasto.plugin"].impasto()


def document():
    return Krita.instance().activeDocument()


def new_document(width, height, model="RGBA", depth="U8", profile="", name="painting"):
    """A document in a view, its bottom layer a picture with detail everywhere."""
    made = Krita.instance().createDocument(width, height, name, model, depth, profile, 72.0)
    Krita.instance().activeWindow().addView(made)
    layer = made.createNode("picture", "paintlayer")
    layer.setColorSpace("RGBA", "U8", SRGB["U8"])
    layer.setPixelData(_picture(width, height), 0, 0, width, height)
    made.rootNode().addChildNode(layer, None)
    made.refreshProjection()
    made.waitForDone()
    yield from until(lambda: document() is not None and document().name() == name)
    yield from pause(0.2)
    plugin().studio.poll()
    return True


def _picture(width, height):
    """BGRA8: a blue ground that gets lighter downwards, with a fine pattern."""
    rows = []
    for y in range(height):
        shade = 60 + 100 * y // height
        row = bytes(
            part for x in range(width) for part in (180 + (x * 7 + y * 3) % 16, shade, 60 + (x + y) % 8, 255)
        )
        rows.append(row)
    return b"".join(rows)


def open_file(path):
    opened = Krita.instance().openDocument(path)
    Krita.instance().activeWindow().addView(opened)
    yield from until(lambda: document() is not None and document().fileName() == path)
    yield from pause(0.3)
    plugin().studio.poll()
    return True


def save(path):
    document().setBatchmode(True)
    saved = document().saveAs(path)
    document().waitForDone()
    return bool(saved)


def export(path):
    """What the artist sees, as PNG."""
    document().setBatchmode(True)
    return bool(document().exportImage(path, InfoObject()))


def close_document():
    """Without a selection: Krita 5.1.5 crashes when a document is closed soon after `setSelection`, with or
    without Impasto."""
    closing = document()
    if closing.selection() is not None:
        yield from deselect()
    closing.setModified(False)
    closing.waitForDone()
    closing.close()
    yield from pause(0.5)
    plugin().studio.poll()
    return True


def select_boxes(boxes):
    """Rectangles, together."""
    selection = Selection()
    for x, y, width, height in boxes:
        one = Selection()
        one.select(x, y, width, height, 255)
        selection.add(one)
    document().setSelection(selection)
    document().waitForDone()
    plugin().studio.poll()
    return True


def select_ellipse(x, y, width, height, softness):
    """Soft: from 0 at its border to 255 at `softness` of its radius inwards."""
    mask = QtGui.QImage(width, height, QtGui.QImage.Format.Format_Grayscale8)
    for row in range(height):
        for column in range(width):
            across, down = (column + 0.5) / width * 2 - 1, (row + 0.5) / height * 2 - 1
            depth = 1 - (across * across + down * down) ** 0.5
            value = max(0, min(255, int(255 * depth / softness)))
            mask.setPixel(column, row, QtGui.qRgb(value, value, value))
    data = b"".join(mask.constScanLine(row).asstring(width) for row in range(height))
    selection = Selection()
    selection.select(x, y, width, height, 255)
    selection.setPixelData(QtCore.QByteArray(data), x, y, width, height)
    document().setSelection(selection)
    document().waitForDone()
    plugin().studio.poll()
    return base64.b64encode(data).decode()


def deselect():
    Krita.instance().action("deselect").trigger()
    yield from pause(0.2)
    document().waitForDone()
    plugin().studio.poll()
    return True


def projection(x=0, y=0, width=0, height=0):
    """What she sees, RGBA8 sRGB, base64."""
    width, height = width or document().width(), height or document().height()
    image = document().projection(x, y, width, height)
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    rows = (image.constScanLine(row).asstring(width * 4) for row in range(height))
    return base64.b64encode(b"".join(rows)).decode()


def facts():
    """The document as tests want to know it."""
    here = document()
    return {
        "size": [here.width(), here.height()],
        "depth": here.colorDepth(),
        "model": here.colorModel(),
        "modified": here.modified(),
        "layers": [_layer(node) for node in here.rootNode().childNodes() if node.type() != "selectionmask"],
        "active": here.activeNode().name() if here.activeNode() is not None else "",
    }


def _layer(node):
    box = node.bounds()
    return {
        "name": node.name(),
        "type": node.type(),
        "id": node.uniqueId().toString(),
        "box": [box.x(), box.y(), box.width(), box.height()],
        "children": [_layer(child) for child in node.childNodes()],
    }


def activate(name):
    document().setActiveNode(document().nodeByName(name))
    yield from pause(0.2)
    plugin().studio.poll()
    return True


def lock(name, on):
    document().nodeByName(name).setLocked(on)
    return True


def remove_layer(name):
    document().nodeByName(name).remove()
    document().waitForDone()
    plugin().studio.poll()
    return True


def trigger(action):
    """A menu entry of Krita or an action of Impasto's."""
    Krita.instance().action(action).trigger()
    yield from pause(0.3)
    if document() is not None:
        document().waitForDone()
        document().refreshProjection()
        document().waitForDone()
    plugin().studio.poll()
    return True


def change(**fields):
    """Fields of the panel."""
    from impasto_studio.intent import Margins

    studio = plugin().studio
    if "margins" in fields:
        fields["margins"] = Margins(*fields["margins"])
    if "controls" in fields:
        fields["controls"] = tuple(fields["controls"])
    studio.change(dataclasses.replace(studio.view.intent, **fields))
    return True


def follow(kind, layer, strength):
    """One control row: a layer by its name; empty for what the artist sees."""
    from impasto_studio.intent import ControlRow

    identity = document().nodeByName(layer).uniqueId().toString() if layer else ""
    studio = plugin().studio
    entry = next((one.layer for one in studio.view.layers if one.layer == identity or one.name == layer), "")
    studio.change(dataclasses.replace(studio.view.intent, controls=(ControlRow(kind, entry, strength),)))
    return entry


def tell(command, *words, **named):
    getattr(plugin().studio, command)(*words, **named)
    return True


def say(command, words):
    """A command with its arguments as a list."""
    getattr(plugin().studio, command)(*words)
    return True


def view():
    """The panel's view, without pixels."""
    return _plain(plugin().studio.view)


def _plain(value):
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if isinstance(value, (int, float, str, bool)) or value is None else str(value)


def draw_ring(name, x, y, radius):
    """A layer with a black circle's outline on transparent ground, hidden."""
    here = document()
    image = QtGui.QImage(here.width(), here.height(), QtGui.QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QtGui.QPainter(image)
    painter.setPen(QtGui.QPen(QtCore.Qt.GlobalColor.black, 3))
    painter.drawEllipse(QtCore.QPointF(x, y), radius, radius)
    painter.end()
    layer = here.createNode(name, "paintlayer")
    layer.setColorSpace("RGBA", "U8", SRGB["U8"])
    data = image.constBits().asstring(image.sizeInBytes())
    layer.setPixelData(data, 0, 0, here.width(), here.height())
    here.rootNode().addChildNode(layer, None)
    layer.setVisible(False)
    here.refreshProjection()
    here.waitForDone()
    yield from pause(0.3)
    plugin().studio.poll()
    return True


def blank_document(width, height):
    """White paper."""
    made = Krita.instance().createDocument(width, height, "paper", "RGBA", "U8", "", 72.0)
    Krita.instance().activeWindow().addView(made)
    yield from until(lambda: document() is not None and document().width() == width)
    yield from pause(0.5)
    plugin().studio.poll()
    return True


def add_layer(name):
    here = document()
    layer = here.createNode(name, "paintlayer")
    here.rootNode().addChildNode(layer, None)
    here.setActiveNode(layer)
    here.waitForDone()
    yield from pause(0.2)
    plugin().studio.poll()
    return True


def layer_pixels(name):
    node = document().nodeByName(name)
    return base64.b64encode(bytes(node.pixelData(0, 0, document().width(), document().height()))).decode()


def animate(name, frame):
    """A layer with a keyframe at 0 and a copy of it at `frame`, which is the current one then."""
    here = document()
    here.setActiveNode(here.nodeByName(name))
    yield from pause(0.2)
    here.nodeByName(name).enableAnimation()
    here.setCurrentTime(frame)
    yield from pause(0.2)
    Krita.instance().action("add_duplicate_frame").trigger()
    yield from pause(0.3)
    here.waitForDone()
    return bool(here.nodeByName(name).hasKeyframeAtTime(frame))


def frame_pixels(frame):
    """What she sees at a time, and back."""
    here = document()
    now = here.currentTime()
    here.setCurrentTime(frame)
    yield from pause(0.4)
    here.waitForDone()
    here.refreshProjection()
    here.waitForDone()
    data = projection()
    here.setCurrentTime(now)
    yield from pause(0.3)
    here.waitForDone()
    return data


def draw_disc(name, x, y, radius):
    """A layer with a white disc on it."""
    here = document()
    image = QtGui.QImage(here.width(), here.height(), QtGui.QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QtGui.QPainter(image)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    painter.setBrush(QtCore.Qt.GlobalColor.white)
    painter.drawEllipse(QtCore.QPointF(x, y), radius, radius)
    painter.end()
    layer = here.createNode(name, "paintlayer")
    layer.setColorSpace("RGBA", "U8", SRGB["U8"])
    layer.setPixelData(image.constBits().asstring(image.sizeInBytes()), 0, 0, here.width(), here.height())
    here.rootNode().addChildNode(layer, None)
    here.refreshProjection()
    here.waitForDone()
    yield from pause(0.3)
    plugin().studio.poll()
    return True


def sketch(step):
    """A house on a hill in rough patches of colour, one more with each step: on the layer "sketch"."""
    here = document()
    across, down = here.width(), here.height()
    image = QtGui.QImage(across, down, QtGui.QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QtGui.QPainter(image)
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtCore.Qt.PenStyle.NoPen)
    for colour, shape in _PATCHES[:step]:
        painter.setBrush(QtGui.QColor(colour))
        points = [QtCore.QPointF(x * across, y * down) for x, y in shape]
        painter.drawPolygon(QtGui.QPolygonF(points))
    painter.end()
    layer = here.nodeByName("sketch")
    if layer is None:
        layer = here.createNode("sketch", "paintlayer")
        layer.setColorSpace("RGBA", "U8", SRGB["U8"])
        here.rootNode().addChildNode(layer, None)
    layer.setPixelData(image.constBits().asstring(image.sizeInBytes()), 0, 0, across, down)
    here.refreshProjection()
    here.waitForDone()
    yield from pause(0.3)
    return True


_PATCHES = (
    ("#8fb8e8", ((0, 0), (1, 0), (1, 0.75), (0, 0.75))),
    ("#4f9a3c", ((0, 0.72), (0.3, 0.6), (0.62, 0.56), (1, 0.68), (1, 1), (0, 1))),
    ("#c0392b", ((0.34, 0.42), (0.62, 0.42), (0.62, 0.68), (0.34, 0.68))),
    ("#7a4a2b", ((0.3, 0.43), (0.48, 0.24), (0.66, 0.43))),
    ("#f6dc6f", ((0.78, 0.1), (0.88, 0.1), (0.93, 0.18), (0.88, 0.27), (0.78, 0.27), (0.73, 0.18))),
)


def select_nothing_and_hide(name):
    document().nodeByName(name).setVisible(False)
    document().refreshProjection()
    document().waitForDone()
    return True


def forget_and_connect_again():
    """As if the program had been started anew: another studio, that knows of nothing."""
    from impasto_studio.studio import Studio

    it = plugin()
    old = it.studio
    old.close()
    it.studio = Studio(it.host, it.home, on_view=it._show)
    it.studio.open()
    return True
