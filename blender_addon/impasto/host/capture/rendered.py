"""The picture that was rendered last, as it is displayed."""

import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.texts import tr

from ..loop import Trouble

__all__ = ["rendered"]

RESULT = "Render Result"
HEAD_BYTES = 18


def rendered(scene: Any) -> Picture:
    """RGBA8, sRGB, through the scene's view transform. Raises `Trouble`.

    Blender gives the pixels of a render to files alone: it is written in the plainest of formats, and the
    settings for that are put back at once.
    """
    result = bpy.data.images.get(RESULT)
    if result is None:
        raise _nothing()
    settings = scene.render.image_settings
    names = [
        name
        for name in ("media_type", "file_format", "color_mode", "color_depth", "color_management")
        if hasattr(settings, name)
    ]
    before = {name: getattr(settings, name) for name in names}
    with tempfile.TemporaryDirectory(prefix="impasto-render-") as folder:
        path = Path(folder) / "render.tga"
        try:
            if "media_type" in before:
                settings.media_type = "IMAGE"
            settings.file_format, settings.color_mode = "TARGA_RAW", "RGBA"
            settings.color_management = "FOLLOW_SCENE"
            result.save_render(str(path), scene=scene)
            data = path.read_bytes()
        except (RuntimeError, OSError):
            raise _nothing() from None
        finally:
            for name in names:
                _set(settings, name, before[name])
    return _targa(data)


def _set(settings: Any, name: str, value: Any) -> None:
    try:
        setattr(settings, name, value)
    except TypeError:  # a depth that goes with another format: that format brings its own
        pass


def _targa(data: bytes) -> Picture:
    """An uncompressed 32-bit TGA: B, G, R, A."""
    width, height = int.from_bytes(data[12:14], "little"), int.from_bytes(data[14:16], "little")
    start = HEAD_BYTES + data[0]
    count = 4 * width * height
    if not count or data[16] != 32 or len(data) < start + count:
        raise _nothing()
    pixels = numpy.frombuffer(data, numpy.uint8, count, start).reshape(height, width, 4)
    if not data[17] & 0x20:  # rows from the bottom
        pixels = pixels[::-1]
    return Picture(
        width, height, PixelFormat.RGBA8, numpy.ascontiguousarray(pixels[..., [2, 1, 0, 3]]).tobytes()
    )


def _nothing() -> Trouble:
    return Trouble(
        tr("Nothing has been rendered yet. Render the picture with F12, or choose the 3D view's picture.")
    )
