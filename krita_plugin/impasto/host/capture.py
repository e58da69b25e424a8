"""Reading pixels: what the artist sees, what is selected, single layers."""

import time
from typing import Any, Callable, Iterator, Optional

from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.host import Capture, Captured, Picture

from . import nodes
from .documents import Documents
from .pixels import Buffer, rgba8_of_image, rgba8_of_krita
from .scene import box_of
from .scratch import TILE_PX, Scratch
from .slices import Pause, Steps, Trouble, fitting

__all__ = ["CLOSED", "capture"]

CLOSED = "The document was closed: open it again, then start anew."
GONE = "A layer that was chosen to be followed is gone: choose another one."
SETTLE_S = 0.25  # as long the picture may take to come to rest; then it is read as it is


def capture(wanted: Capture, documents: Documents, scratch: Scratch) -> Steps[Captured]:
    """Reads it all, in slices. The document is looked up anew after each: it may be closed in between."""
    yield from _settled(wanted.document, documents)
    image = mask = None
    if wanted.image or "" in wanted.controls:
        image = yield from _seen(wanted, documents)
    if wanted.mask:
        mask = yield from _selection(wanted, documents)
    controls = []
    for layer in wanted.controls:
        if layer:
            controls.append((yield from _layer(wanted, layer, documents, scratch)))
        elif image is not None:
            controls.append(image)
    return Captured(image if wanted.image else None, mask, tuple(controls))


def _settled(name: str, documents: Documents) -> Steps[None]:
    """Waits until Krita has finished what it is compositing, but not for a pen that does not lift."""
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        document = _open(name, documents)
        if document.tryBarrierLock():
            document.unlock()
            return
        yield Pause(5)


def _open(name: str, documents: Documents) -> Any:
    document = documents.find(name)
    if document is None:
        raise Trouble(CLOSED)
    return document


def _seen(wanted: Capture, documents: Documents) -> Steps[Picture]:
    """The projection: all layers as they are composited, in sRGB, whatever the document's own colours are."""

    def read(document: Any, piece: Box, buffer: Buffer) -> None:
        rows, kept = rgba8_of_image(document.projection(*piece))
        buffer.put(piece, rows)
        del kept

    return (yield from _bands(wanted, PixelFormat.RGBA8, documents, read))


def _selection(wanted: Capture, documents: Documents) -> Steps[Picture]:
    """What is selected, as softly as it is. Without a selection: nothing."""

    def read(document: Any, piece: Box, buffer: Buffer) -> None:
        selection = document.selection()
        if selection is not None:
            buffer.put(piece, bytes(selection.pixelData(*piece)))

    return (yield from _bands(wanted, PixelFormat.GRAY8, documents, read))


def _layer(wanted: Capture, layer: str, documents: Documents, scratch: Scratch) -> Steps[Picture]:
    """One layer with its masks and effects, without those above and below."""
    node = nodes.find(_open(wanted.document, documents), layer)
    if node is None:
        raise Trouble(GONE)

    def read(document: Any, piece: Box, buffer: Buffer) -> None:
        rows, kept = rgba8_of_krita(node.projectionPixelData(*piece), piece.width, piece.height)
        buffer.put(piece, rows)
        del kept

    if nodes.is_srgb8(node):
        return (yield from _bands(wanted, PixelFormat.RGBA8, documents, read))
    return (yield from _converted(wanted, node, documents, scratch))


def _bands(
    wanted: Capture,
    format: PixelFormat,
    documents: Documents,
    read: Callable[[Any, Box, Buffer], None],
) -> Steps[Picture]:
    """The part of the box that lies in the document, in bands as high as there is time for."""
    buffer = Buffer(wanted.box, format)
    box = _inside(wanted, documents)
    top = box.y if box is not None else 0
    rows = 16
    while box is not None and top < box.bottom:
        document = _open(wanted.document, documents)
        piece = Box(box.x, top, box.width, min(rows, box.bottom - top))
        before = time.perf_counter()
        read(document, piece, buffer)
        top += piece.height
        rows = fitting(piece.height, piece.width, time.perf_counter() - before)
        yield None
    return buffer.picture()


def _converted(wanted: Capture, node: Any, documents: Documents, scratch: Scratch) -> Steps[Picture]:
    """The same for a layer in other colours than ours, in tiles that the scratch document converts."""
    buffer = Buffer(wanted.box, PixelFormat.RGBA8)
    space = node.colorModel(), node.colorDepth(), node.colorProfile()
    for tile in _tiles(_inside(wanted, documents)):
        _open(wanted.document, documents)
        image = scratch.converted(*space, node.projectionPixelData(*tile), tile.width, tile.height)
        rows, kept = rgba8_of_image(image)
        buffer.put(tile, rows)
        del kept
        yield None
    return buffer.picture()


def _inside(wanted: Capture, documents: Documents) -> Optional[Box]:
    return wanted.box.common(box_of(_open(wanted.document, documents)))


def _tiles(box: Optional[Box]) -> Iterator[Box]:
    if box is not None:
        for y in range(box.y, box.bottom, TILE_PX):
            for x in range(box.x, box.right, TILE_PX):
                yield Box(x, y, min(TILE_PX, box.right - x), min(TILE_PX, box.bottom - y))
