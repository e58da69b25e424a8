"""Documents as an artist would have them: made, painted, selected, undone, saved."""

from pathlib import Path

import session
from krita import Krita, Selection
from PyQt5 import QtCore


def _active():
    return Krita.instance().activeDocument()


def find(layer, root=None):
    """The node of this id, without braces."""
    for node in (root or _active().rootNode()).childNodes():
        if node.uniqueId().toString()[1:-1] == layer:
            return node
        found = find(layer, node)
        if found is not None:
            return found
    return None


def make(model="RGBA", depth="U8", width=96, height=64, profile=""):
    """A new document with a white background layer, in front."""
    krita = Krita.instance()
    document = krita.createDocument(width, height, "test", model, depth, profile, 120.0)
    krita.activeWindow().addView(document)
    krita.activeWindow().activate()
    yield from session.until(lambda: _active() == document and document.activeNode() is not None)
    yield from at_rest()
    document.setModified(False)


def at_rest():
    """Nothing is being composited any more."""
    document = _active()

    def rests():
        locked = document.tryBarrierLock()
        if locked:
            document.unlock()
        return locked

    yield from session.until(rests)
    yield from session.pause(0.02)


def close():
    """The one in front, without a question. Krita 5.1.5 crashes by itself when a large document is closed
    while it still looks for the outline of a selection."""
    if _active().selection() is not None:
        yield from deselect()
    before = len(Krita.instance().documents())
    _active().setModified(False)
    Krita.instance().action("file_close").trigger()
    yield from session.until(lambda: len(Krita.instance().documents()) < before)
    yield from session.pause(0.05)


def close_all():
    while _active() is not None:
        yield from close()


def tree(parent=None):
    """[name, type, id, bounds, children], bottom first as Krita has it."""
    nodes = (parent or _active().rootNode()).childNodes()
    rows = []
    for node in nodes:
        bounds = node.bounds()
        box = [bounds.x(), bounds.y(), bounds.width(), bounds.height()]
        rows.append([node.name(), node.type(), node.uniqueId().toString()[1:-1], box, tree(node)])
    return rows


def paint(layer, file, x, y, width, height):
    """Native pixels into a layer; with a refresh."""
    find(layer).setPixelData(QtCore.QByteArray(Path(file).read_bytes()), x, y, width, height)
    _active().refreshProjection()
    _active().waitForDone()
    _active().setModified(False)


def add(name, kind="paintlayer", space=None, into=None):
    """A new node on top; returns its id."""
    document = _active()
    node = document.createNode(name, kind)
    if space is not None:
        node.setColorSpace(*space)
    parent = find(into) if into is not None else document.rootNode()
    parent.addChildNode(node, None)
    yield from at_rest()
    document.setModified(False)
    return node.uniqueId().toString()[1:-1]


def activate(layer):
    _active().setActiveNode(find(layer))
    yield from session.until(lambda: _active().activeNode().uniqueId().toString()[1:-1] == layer)


def active_layer():
    return _active().activeNode().uniqueId().toString()[1:-1]


def set_locked(layer, locked):
    find(layer).setLocked(locked)


def animate(layer):
    find(layer).enableAnimation()
    yield from at_rest()


def remove(layer):
    find(layer).remove()
    yield from at_rest()


def select(boxes, file=None, width=0, height=0):
    """Rectangles, or a mask from a file at 0, 0."""
    selection = Selection()
    for box in boxes:
        part = Selection()
        part.select(*box, 255)
        selection.add(part)
    if file is not None:
        selection.setPixelData(QtCore.QByteArray(Path(file).read_bytes()), 0, 0, width, height)
    _active().setSelection(selection)
    yield from at_rest()
    _active().setModified(False)


def deselect():
    Krita.instance().action("deselect").trigger()
    yield from at_rest()


def projection(box, file):
    """What an artist sees of a box, as B, G, R, A bytes."""
    image = _active().projection(*box)
    memory = image.constBits()
    Path(file).write_bytes(memory.asstring(image.sizeInBytes()))


def native(layer, box, file):
    """A node's own pixels."""
    Path(file).write_bytes(bytes(find(layer).pixelData(*box)))


def undo():
    Krita.instance().action("edit_undo").trigger()
    yield from at_rest()
    yield from session.pause(0.03)
    yield from at_rest()


def redo():
    Krita.instance().action("edit_redo").trigger()
    yield from at_rest()
    yield from session.pause(0.03)
    yield from at_rest()


def undo_text():
    """What "Undo" would undo."""
    return Krita.instance().action("edit_undo").text()


def state():
    document = _active()
    return {
        "modified": document.modified(),
        "size": [document.width(), document.height()],
        "space": [document.colorModel(), document.colorDepth(), document.colorProfile()],
        "open": len(Krita.instance().documents()),
    }


def convert(model, depth):
    """The whole document into the space that a new document of this kind would have."""
    krita = Krita.instance()
    other = krita.createDocument(1, 1, "space", model, depth, "", 120.0)
    profile = other.colorProfile()
    other.close()
    _active().setColorSpace(model, depth, profile)
    yield from at_rest()
    _active().refreshProjection()


def save(path):
    document = _active()
    document.setBatchmode(True)
    saved = document.saveAs(path)
    document.waitForDone()
    return saved


def export(path):
    """As another format, without dialogues."""
    from krita import InfoObject

    document = _active()
    document.setBatchmode(True)
    document.exportImage(path, InfoObject())
    document.waitForDone()


def open_file(path):
    krita = Krita.instance()
    document = krita.openDocument(path)
    krita.activeWindow().addView(document)
    yield from session.until(lambda: _active() == document)
    yield from at_rest()
