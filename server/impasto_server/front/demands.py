"""What the checks of requests share: a sentence for what does not hold, and the shape of a picture."""

from __future__ import annotations

from impasto_protocol.errors import BadImage, BadValue, SizeMismatch
from impasto_protocol.messages import InputRef, Limits, Pixels
from impasto_protocol.rasters import PixelFormat, raster_size

__all__ = [
    "IMAGE_FORMATS",
    "LONGEST_PROMPT",
    "SMALLEST_PX",
    "Picture",
    "check_picture",
    "check_size",
    "demand",
]

Picture = Pixels | InputRef

IMAGE_FORMATS = (PixelFormat.RGB8, PixelFormat.RGBA8, PixelFormat.RGBA16)
SMALLEST_PX = 16
LONGEST_PROMPT = 20_000  # characters; text encoders read a few hundred words of it


def demand(fulfilled: bool, sentence: str) -> None:
    """Raises `BadValue` with the sentence where it is not."""
    if not fulfilled:
        raise BadValue(sentence)


def check_picture(name: str, picture: Picture, formats: tuple[PixelFormat, ...], limits: Limits) -> None:
    """Format, sides and number of bytes. Raises `BadImage`."""
    if picture.format not in formats:
        wanted = ", ".join(one.value for one in formats)
        raise BadImage(f"The {name} has the pixel format {picture.format.value}; it must be {wanted}.")
    if not (1 <= picture.width <= limits.canvas_px and 1 <= picture.height <= limits.canvas_px):
        raise BadImage(
            f"The {name} is {picture.width}×{picture.height} pixels; "
            f"each side must be from 1 to {limits.canvas_px}."
        )
    if isinstance(picture, Pixels):
        size = raster_size(picture.width, picture.height, picture.format)
        if picture.data is None or len(picture.data) != size:
            raise BadImage(f"The {name}'s bytes do not make {picture.width}×{picture.height} pixels.")


def check_size(name: str, picture: Picture, width: int, height: int, other: str = "picture") -> None:
    """Raises `SizeMismatch` where it is not that of the `other`."""
    if (picture.width, picture.height) != (width, height):
        raise SizeMismatch(
            f"The {name} is {picture.width}×{picture.height} pixels and the {other} {width}×{height}. "
            "Make them the same size."
        )
