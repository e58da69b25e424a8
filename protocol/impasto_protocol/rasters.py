"""Pixel formats and the sizes that follow from them. Rows run top to bottom, without padding."""

from enum import Enum
from typing import Dict, Tuple

__all__ = ["PixelFormat", "bytes_per_pixel", "channels", "raster_size", "row_size"]


class PixelFormat(str, Enum):
    """How one pixel is stored: sRGB-encoded, straight (not premultiplied) alpha, little-endian integers."""

    RGB8 = "rgb8"  # uint8 R, G, B
    RGBA8 = "rgba8"  # uint8 R, G, B, A
    GRAY8 = "gray8"  # uint8: masks (0 keep, 255 repaint), control maps
    GRAY16 = "gray16"  # uint16
    RGBA16 = "rgba16"  # uint16 R, G, B, A
    DEPTH32F = "depth32f"  # float32, linear distance along the camera axis, scene units


_LAYOUT: Dict[PixelFormat, Tuple[int, int]] = {  # channels, bytes per channel
    PixelFormat.RGB8: (3, 1),
    PixelFormat.RGBA8: (4, 1),
    PixelFormat.GRAY8: (1, 1),
    PixelFormat.GRAY16: (1, 2),
    PixelFormat.RGBA16: (4, 2),
    PixelFormat.DEPTH32F: (1, 4),
}


def channels(format: PixelFormat) -> int:
    return _LAYOUT[format][0]


def bytes_per_pixel(format: PixelFormat) -> int:
    count, size = _LAYOUT[format]
    return count * size


def row_size(width: int, format: PixelFormat) -> int:
    """Bytes in one row of `width` pixels."""
    return width * bytes_per_pixel(format)


def raster_size(width: int, height: int, format: PixelFormat) -> int:
    """Bytes in a whole raster of `width` × `height` pixels."""
    return height * row_size(width, format)
