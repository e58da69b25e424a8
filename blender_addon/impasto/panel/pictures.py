"""Thumbnails as Blender's icons."""

from typing import Any

import bpy.utils.previews
import numpy as np
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture

__all__ = ["clear", "icon_of"]

MOST = 400  # icons, before all are made anew
CHANNELS = {PixelFormat.RGB8: 3, PixelFormat.RGBA8: 4, PixelFormat.GRAY8: 1}

_icons: Any | None = None
_shown: dict[str, Picture] = {}


def icon_of(name: str, picture: Picture) -> int:
    """The number of an icon that shows `picture`; the same for one name, whatever it shows."""
    global _icons
    if _icons is None or len(_shown) > MOST:
        clear()
        _icons = bpy.utils.previews.new()
    icon = _icons[name] if name in _icons else _icons.new(name)
    if _shown.get(name) is not picture:
        _shown[name] = picture
        icon.image_size = (picture.width, picture.height)
        icon.image_pixels_float.foreach_set(_floats(picture))
    return int(icon.icon_id)


def clear() -> None:
    global _icons
    _shown.clear()
    if _icons is not None:
        bpy.utils.previews.remove(_icons)
        _icons = None


def _floats(picture: Picture) -> Any:
    """(H·W·4,) float32, the lowest row first, as Blender's pictures are."""
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, -1)
    whole = np.full((picture.height, picture.width, 4), 255, np.uint8)
    channels = CHANNELS[picture.format]
    whole[:, :, : max(channels, 3)] = pixels
    return (whole[::-1].astype(np.float32) / 255.0).ravel()
