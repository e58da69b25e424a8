"""Masks as bytes, GRAY8: 0 keep … 255 repaint. Whole rows at a time: Python is slow by the pixel."""

from impasto_protocol.rasters import PixelFormat

from impasto_studio.geometry import Box
from impasto_studio.host import Picture

__all__ = ["RAMP_PX", "frame", "inverted", "masked"]

RAMP_PX = (
    32  # of a frame, inside what is kept: the model may change a little there, and so joins without a seam
)

_INVERSE = bytes(255 - value for value in range(256))


def inverted(mask: Picture) -> Picture:
    """Repaints what was kept, and keeps what was repainted."""
    return Picture(mask.width, mask.height, PixelFormat.GRAY8, mask.pixels.translate(_INVERSE))


def masked(picture: Picture, mask: Picture) -> Picture:
    """An RGB8 picture that covers only what its mask repaints, as softly: RGBA8. The mask may have another
    size; it covers the same."""
    alpha = _fitted(mask, picture.width, picture.height)
    pixels = bytearray(4 * len(alpha))
    for channel in range(3):
        pixels[channel::4] = picture.pixels[channel::3]
    pixels[3::4] = alpha
    return Picture(picture.width, picture.height, PixelFormat.RGBA8, bytes(pixels))


def _fitted(mask: Picture, width: int, height: int) -> bytes:
    """The mask's values at the nearest pixels of a raster of this size."""
    if (mask.width, mask.height) == (width, height):
        return mask.pixels
    columns = [x * mask.width // width for x in range(width)]
    starts = (y * mask.height // height * mask.width for y in range(height))
    return b"".join(bytes(mask.pixels[start + column] for column in columns) for start in starts)


def frame(outer: Box, inner: Box) -> Picture:
    """The mask of `outer` that repaints all around `inner`, and fades out within `RAMP_PX` inside of it.

    Sides on which `inner` touches `outer` have no ramp: there is nothing to join. `inner` lies in `outer`.
    """
    inside = inner.moved(-outer.x, -outer.y)
    across = _profile(outer.width, inside.x, inside.width)
    down = _profile(outer.height, inside.y, inside.height)
    rows = {value: across.translate(_at_least(value)) for value in set(down)}
    return Picture(outer.width, outer.height, PixelFormat.GRAY8, b"".join(rows[value] for value in down))


def _profile(length: int, start: int, size: int) -> bytes:
    """The frame along one side: 255 outside start … start + size, ramps inside, 0 between."""
    ramp = [round(255 * (RAMP_PX - pixel) / (RAMP_PX + 1)) for pixel in range(min(RAMP_PX, size))]
    kept = bytearray(size)
    if start > 0:
        kept[: len(ramp)] = bytes(ramp)
    if start + size < length:
        tail = kept[size - len(ramp) :]
        kept[size - len(ramp) :] = bytes(map(max, tail, reversed(ramp)))
    return b"\xff" * start + bytes(kept) + b"\xff" * (length - start - size)


def _at_least(value: int) -> bytes:
    return bytes(max(value, other) for other in range(256))
