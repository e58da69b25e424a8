"""A take becomes a layer.

Undo steps in Krita 5.1.5: "layer", "group" and "mask" cost one; "replace" two (the layer, and merging it
down); a new extent of the document one more, before. Only `addChildNode` and `remove` are remembered by
Krita; what is filled into a node before, and children given to it by `setChildNodes`, come with it."""

import time
from typing import Any

from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import NewLayer, Picture

from ..qt import Qt, QtGui
from . import nodes
from .documents import Documents
from .pixels import alpha_rows, image_of_picture, krita_rows, stretched_rows
from .scratch import Scratch
from .slices import Elsewhere, Pause, Steps, Trouble, fitting

__all__ = ["insert"]

CLOSED = "The document was closed: open it again and apply the take from the history."
NO_LAYER_TO_REPLACE = "The layer to replace is gone: choose another one, or insert as a layer."
MASK_NAME = "Transparency Mask"


def insert(new: NewLayer, documents: Documents, scratch: Scratch) -> Steps[str]:
    """Puts the take in and returns its layer's id."""
    document = _open(new, documents)
    if new.insert == "replace":
        _replaceable(document, new.above)
    x, y = new.x, new.y
    if new.resize is not None:
        yield from _resized(new, documents)
        x, y = x - new.resize.x, y - new.resize.y
    layer = yield from _filled(new, x, y, _open(new, documents), scratch)
    document = _open(new, documents)
    node = layer
    if new.insert == "group":
        node = document.createGroupLayer(new.name)
        node.setChildNodes([layer])
    name = nodes.id_of(layer)
    place = nodes.place(document, new.above)
    only = len(place.parent.childNodes()) == 1
    yield Elsewhere(lambda: place.parent.addChildNode(node, place.above))
    # A group of one layer in its own colours is that layer.
    shown_as_is = nodes.is_srgb8(node) and nodes.is_srgb8(layer)
    if (new.insert == "group" and not shown_as_is) or (new.insert == "mask" and only):
        # What comes in with children is not composited by itself. And Krita shows an only layer as it is:
        # with a second one it has to composite, but for one with a mask it does so within the mask alone.
        document = _open(new, documents)
        yield Elsewhere(document.refreshProjection)
    document = _open(new, documents)
    found = nodes.find(document, name)
    if found is None:
        raise Trouble("Krita did not take the new layer: apply the take from the history once more.")
    if new.insert == "replace":
        name = yield from _merged(new, found, documents)
    return name


def _open(new: NewLayer, documents: Documents) -> Any:
    document = documents.find(new.document)
    if document is None:
        raise Trouble(CLOSED)
    return document


def _filled(new: NewLayer, x: int, y: int, document: Any, scratch: Scratch) -> Steps[Any]:
    """A paint layer with the picture, or with its colours and a mask of its alpha, in no document yet."""
    picture, masked = new.picture, new.insert == "mask"
    deep = picture.format is PixelFormat.RGBA16
    layer = None
    if not deep and not masked:
        layer = document.createNode(new.name, "paintlayer")
    if layer is None or not nodes.is_srgb8(layer):
        layer = scratch.layer(new.name, deep)
    mask = None
    if masked:
        layer.setChildNodes([scratch.mask()])
        mask = layer.childNodes()[0]
        mask.setName(MASK_NAME)
    width, height = new.size or (picture.width, picture.height)
    stretched = _stretched(picture, width, height)
    top, rows = 0, 16
    while top < height:
        rows = min(rows, height - top)
        before = time.perf_counter()
        if stretched is not None:
            data = stretched_rows(stretched, width, height, top, rows)
        else:
            data = krita_rows(picture, top, rows, opaque=masked)
        layer.setPixelData(data, x, y + top, width, rows)
        if mask is not None:
            mask.setPixelData(alpha_rows(picture, top, rows), x, y + top, picture.width, rows)
        top += rows
        rows = fitting(rows, width, time.perf_counter() - before)
        yield None
    return layer


def _stretched(picture: Picture, width: int, height: int) -> Any:
    """A QImage to be enlarged to this size while it is filled in; None: the picture has it. What is larger is
    made smaller here: it is no larger than a preview."""
    if (picture.width, picture.height) == (width, height):
        return None
    image = image_of_picture(picture).convertToFormat(QtGui.QImage.Format.Format_ARGB32_Premultiplied)
    if picture.width > width or picture.height > height:
        return image.scaled(
            width, height, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    return image


def _resized(new: NewLayer, documents: Documents) -> Steps[None]:
    """The document's new extent: its layers scaled with it, or its canvas extended around them."""
    assert new.resize is not None
    document, extent = _open(new, documents), new.resize
    if new.scale:
        resolution = round(document.xRes()), round(document.yRes())
        yield Elsewhere(lambda: document.scaleImage(extent.width, extent.height, *resolution, "Bicubic"))
    else:
        yield Elsewhere(lambda: document.resizeImage(*extent))
    while not (document := _open(new, documents)).tryBarrierLock():
        yield Pause(5)
    document.unlock()


def _replaceable(document: Any, layer: str) -> Any:
    """The paint layer that the take is painted onto."""
    node = nodes.find(document, layer) if layer else document.activeNode()
    if node is None:
        raise Trouble(NO_LAYER_TO_REPLACE)
    if node.type() != "paintlayer":
        raise Trouble(f"“{node.name()}” is not a paint layer: choose one, or insert as a layer.")
    if node.locked():
        raise Trouble(f"The layer “{node.name()}” is locked: unlock it, or insert as a layer.")
    if node.animated():
        raise Trouble(f"The layer “{node.name()}” is animated: insert as a layer to keep its frames.")
    return node


def _merged(new: NewLayer, layer: Any, documents: Documents) -> Steps[str]:
    """Merges the new layer into the one below it, which keeps what the take does not cover. Krita makes a
    new node of the two."""
    parent = layer.parentNode()
    before = {nodes.id_of(node) for node in parent.childNodes()}
    yield Elsewhere(layer.mergeDown)
    _open(new, documents)
    merged = [node for node in parent.childNodes() if nodes.id_of(node) not in before]
    return nodes.id_of(merged[0]) if merged else nodes.id_of(layer)
