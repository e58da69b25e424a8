"""Makes `krita_plugin/impasto/host/scratch.kra`: a picture of one layer with a transparency mask that hides
it."""

import session
from krita import Krita, Selection

SIZE_PX = 128


def make(path):
    krita = Krita.instance()
    document = krita.createDocument(
        SIZE_PX, SIZE_PX, "scratch", "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc", 72.0
    )
    krita.activeWindow().addView(document)
    yield from session.pause(0.5)
    layer = document.rootNode().childNodes()[0]
    layer.setPixelData(bytes(SIZE_PX * SIZE_PX * 4), 0, 0, SIZE_PX, SIZE_PX)
    nothing = Selection()
    nothing.select(0, 0, SIZE_PX, SIZE_PX, 0)
    document.setSelection(nothing)
    document.setActiveNode(layer)
    krita.action("add_new_transparency_mask").trigger()
    yield lambda: layer.childNodes()
    document.waitForDone()
    return document.saveAs(path)
