"""Masks the artist paints with Blender's own brushes, each as an image beside the one it belongs to.

A mask that was made here begins as a copy of the image, so that she sees what she paints on: what she has
changed in it is what is repainted. An image of hers named "<name> mask" counts by its brightness and alpha.
"""

import time
from typing import Any

import bpy
import numpy
from impasto_studio.geometry import Box

from .arrays import picture_of, resized
from .images import new_image
from .pixels import floats_of, put_floats, sizes_of, values_of

__all__ = ["Masks"]

OF = "impasto mask of"  # custom property: the image's name
SUFFIX = " mask"
LONGEST = 63  # of a name, bytes
CHANGED = 3  # of 255: copies that were packed differ by rounding
AGAIN_S = 0.5  # a mask is looked at no more often, since nobody tells when a brush has painted …
SHARE = 20  # … and takes no larger part of the time than one in so many


class Masks:
    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, Box | None]] = {}  # by image: until when, bounds

    def owner(self, mask: Any) -> Any | None:
        """The image that this one is a mask of; None: it is none."""
        name = mask.get(OF, "")
        if not name and mask.name.endswith(SUFFIX):
            name = mask.name[: -len(SUFFIX)]
        return bpy.data.images.get(name) if name else None

    def find(self, image: Any) -> Any | None:
        for one in bpy.data.images:
            if one.get(OF, "") == image.name:
                return one
        return bpy.data.images.get(_name(image))

    def made(self, image: Any) -> Any:
        """The image's mask; a new one if it has none."""
        mask = self.find(image)
        if mask is None:
            mask = new_image(_name(image), picture_of(_copy(image)))
            mask[OF] = image.name
            mask.use_fake_user = False
        return mask

    def start_again(self, image: Any) -> None:
        """The image has changed: its mask shows it as it is now, with nothing painted."""
        mask = self.find(image)
        self._seen.pop(image.name, None)
        if mask is not None and mask.get(OF, "") and sizes_of(mask) == sizes_of(image):
            put_floats(mask, _copy(image).astype(numpy.float32)[..., : mask.channels] / numpy.float32(255))

    def values(self, image: Any) -> numpy.ndarray:
        """(H, W, 1) uint8: 255 where it is to be repainted; all 0 without a mask."""
        width, height = sizes_of(image)
        mask = self.find(image)
        if mask is None or not min(sizes_of(mask)) or not len(mask.pixels):
            return numpy.zeros((height, width, 1), numpy.uint8)
        painted = _bytes(mask)
        if mask.get(OF, "") and sizes_of(mask) == (width, height):
            ground = _copy(image).astype(numpy.int16)
            changed = numpy.abs(painted.astype(numpy.int16) - ground).max(axis=2, keepdims=True) > CHANGED
            return changed.astype(numpy.uint8) * 255
        light = painted[..., :3].max(axis=2, keepdims=True).astype(numpy.uint16)
        values = (light * painted[..., 3:] // 255).astype(numpy.uint8)
        return resized(values, width, height)

    def bounds(self, image: Any) -> Box | None:
        """Of what is painted; None: nothing. As it was a moment ago."""
        if self.find(image) is None:
            return None
        now = time.monotonic()
        until, box = self._seen.get(image.name, (0.0, None))
        if now < until:
            return box
        values = self.values(image)[..., 0]
        columns, rows = numpy.flatnonzero(values.any(axis=0)), numpy.flatnonzero(values.any(axis=1))
        box = None
        if columns.size:
            x, y = int(columns[0]), int(rows[0])
            box = Box(x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y)
        spent = time.monotonic() - now
        self._seen[image.name] = (now + max(AGAIN_S, SHARE * spent), box)
        return box


def _name(image: Any) -> str:
    stem = image.name.encode()[: LONGEST - len(SUFFIX)].decode("utf-8", "ignore")
    return stem + SUFFIX


def _copy(image: Any) -> numpy.ndarray:
    """(H, W, 4) uint8, opaque: a brush must be seen everywhere."""
    pixels = _bytes(image).copy()
    pixels[..., 3] = 255
    return pixels


def _bytes(image: Any) -> numpy.ndarray:
    """(H, W, 4) uint8, sRGB."""
    values = values_of(image, floats_of(image))
    return values if values.dtype == numpy.uint8 else (values >> 8).astype(numpy.uint8)
