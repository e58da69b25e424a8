"""Frames become an animation: a document is written as Krita would save it, and opened.

Krita 5.1.5 has `Document.importAnimation`, but it crashes: always when the new document is in no view, now
and then when it is in one.
"""

import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import Any, Iterator
from xml.sax.saxutils import quoteattr

from impasto_studio.host import Animation
from krita import Krita

from ..qt import QtGui, QtWidgets
from .nodes import SRGB
from .slices import Pause, Steps, Trouble

__all__ = ["animate"]

TILE_PX = 64  # of Krita's files
RAW = b"\0"  # a tile that is not compressed: the archive is
FASTEST = 1  # of zlib
POINTS_PER_INCH = 72
SHOWN_MS = 300  # by then Krita has brought a new view to the front
# Krita takes a file without it for a broken one.
DOCTYPE = "<!DOCTYPE DOC PUBLIC '-//KDE//DTD krita 2.0//EN' 'http://www.calligra.org/DTD/krita-2.0.dtd'>"
UNREADABLE = "Krita could not read the recorded frames."


def animate(animation: Animation) -> Steps[None]:
    """A new document with the frames on one layer. The artist stays in hers; that of the frames is behind."""
    window = Krita.instance().activeWindow()
    if window is None:
        raise Trouble("There is no window to open the recording in: open one, then record again.")
    with tempfile.TemporaryDirectory(prefix="impasto-animation-") as folder:
        path = Path(folder) / "animation.kra"
        for _ in _written(animation, path):
            yield None
        document = _opened(path)
        document.setName(animation.name)
    views = window.qwindow().findChild(QtWidgets.QMdiArea)
    before = views.activeSubWindow()
    window.addView(document)
    document.setModified(True)
    yield Pause(SHOWN_MS)
    if before is not None:
        views.setActiveSubWindow(before)


def _opened(path: Path) -> Any:
    """The document, as if it had never been saved: the file is about to go."""
    program = Krita.instance()
    program.setBatchmode(True)  # else Krita would ask the artist about a file she knows nothing of
    try:
        document = program.openDocument(str(path))
    finally:
        program.setBatchmode(False)
    if document is None or not document.width():
        raise Trouble(UNREADABLE)
    document.setFileName("")
    return document


def _written(animation: Animation, path: Path) -> Iterator[None]:
    """The file, with a rest after each frame."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=FASTEST) as archive:
        archive.writestr("mimetype", "application/x-krita", zipfile.ZIP_STORED)
        for number, frame in enumerate(animation.frames):
            archive.writestr(f"animation/layers/{_name(number)}", _pixels(frame, animation))
            archive.writestr(f"animation/layers/{_name(number)}.defaultpixel", bytes(4))
            yield None
        archive.writestr("animation/layers/layer.keyframes.xml", _keyframes(len(animation.frames)))
        archive.writestr("animation/animation/index.xml", _timing(animation, "animation-metadata"))
        archive.writestr("maindoc.xml", _document(animation))


def _name(number: int) -> str:
    return f"layer.f{number}" if number else "layer"


def _pixels(frame: Path, animation: Animation) -> bytes:
    """A frame as Krita's tiles of B, G, R, A."""
    image = QtGui.QImage(str(frame)).convertToFormat(QtGui.QImage.Format.Format_ARGB32)
    if image.isNull():
        raise Trouble(UNREADABLE)
    corners = [
        (x, y) for y in range(0, animation.height, TILE_PX) for x in range(0, animation.width, TILE_PX)
    ]
    size = TILE_PX * TILE_PX * 4
    head = f"VERSION 2\nTILEWIDTH {TILE_PX}\nTILEHEIGHT {TILE_PX}\nPIXELSIZE 4\nDATA {len(corners)}\n"
    parts = [head.encode()]
    for x, y in corners:
        tile = image.copy(x, y, TILE_PX, TILE_PX)
        parts += (f"{x},{y},LZF,{size + len(RAW)}\n".encode(), RAW, tile.constBits().asstring(size))
    return b"".join(parts)


def _keyframes(count: int) -> str:
    frames = "".join(
        f'<keyframe color-label="0" time="{number}" frame="{_name(number)}">'
        '<offset type="point" x="0" y="0"/></keyframe>'
        for number in range(count)
    )
    return (
        '<keyframes xmlns="http://www.calligra.org/DTD/krita-keyframes">'
        f'<channel name="content">{frames}</channel></keyframes>'
    )


def _timing(animation: Animation, tag: str) -> str:
    last = len(animation.frames) - 1
    return (
        f'<{tag} xmlns="http://www.calligra.org/DTD/krita">'
        f'<framerate type="value" value="{animation.frames_per_second}"/>'
        f'<range type="timerange" from="0" to="{last}"/><currentTime type="value" value="0"/></{tag}>'
    )


def _document(animation: Animation) -> str:
    name = quoteattr(animation.name)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
{DOCTYPE}
<DOC xmlns="http://www.calligra.org/DTD/krita" syntaxVersion="2.0" editor="Krita" kritaVersion="5.1.0">
 <IMAGE name="animation" description="" mime="application/x-kra" profile="{SRGB}" colorspacename="RGBA"
  width="{animation.width}" height="{animation.height}" x-res="{POINTS_PER_INCH}" y-res="{POINTS_PER_INCH}">
  <layers>
   <layer name={name} nodetype="paintlayer" filename="layer" keyframes="layer.keyframes.xml"
    uuid="{{{uuid.uuid4()}}}" colorspacename="RGBA" compositeop="normal" opacity="255" visible="1" locked="0"
    x="0" y="0" intimeline="1" selected="true" channelflags="" channellockflags="" onionskin="0"
    colorlabel="0" collapsed="0"/>
  </layers>
  {_timing(animation, "animation")}
 </IMAGE>
</DOC>
"""
