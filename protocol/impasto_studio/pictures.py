"""Pixels of results as a host takes them. Strided slices: whole channels at a time, no loop over pixels."""

from impasto_protocol.rasters import PixelFormat

from impasto_studio.host import Picture

__all__ = ["to_show"]


def to_show(picture: Picture) -> Picture:
    """The picture in a format a host can lay over its canvas: RGB8 or RGBA8, deep ones reduced."""
    width, height, pixels = picture.width, picture.height, picture.pixels
    if picture.format is PixelFormat.RGBA16:
        return Picture(width, height, PixelFormat.RGBA8, pixels[1::2])
    if picture.format is PixelFormat.GRAY8:
        colour = bytearray(3 * len(pixels))
        for channel in range(3):
            colour[channel::3] = pixels
        return Picture(width, height, PixelFormat.RGB8, bytes(colour))
    return picture
