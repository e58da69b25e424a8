"""Pictures as arrays, and what is done with them. Pure numpy."""

import numpy
from impasto_protocol.rasters import PixelFormat, channels
from impasto_studio.geometry import Box
from impasto_studio.host import Picture

__all__ = ["array_of", "cut", "laid_over", "linear", "part_of", "picture_of", "resized", "rgba_of", "srgb"]

_FORMATS = {
    ("uint8", 1): PixelFormat.GRAY8,
    ("uint8", 3): PixelFormat.RGB8,
    ("uint8", 4): PixelFormat.RGBA8,
    ("uint16", 4): PixelFormat.RGBA16,
    ("float32", 1): PixelFormat.DEPTH32F,
}
_SAMPLES = {PixelFormat.GRAY16: "<u2", PixelFormat.RGBA16: "<u2", PixelFormat.DEPTH32F: "<f4"}


def array_of(picture: Picture) -> numpy.ndarray:
    """(H, W, C), rows from top to bottom."""
    samples = numpy.frombuffer(picture.pixels, _SAMPLES.get(picture.format, "u1"))
    return samples.reshape(picture.height, picture.width, channels(picture.format))


def picture_of(pixels: numpy.ndarray) -> Picture:
    """Of (H, W, C): uint8 of 1, 3 or 4 channels, uint16 of 4, float32 of 1."""
    height, width, count = pixels.shape
    return Picture(
        width, height, _FORMATS[pixels.dtype.name, count], numpy.ascontiguousarray(pixels).tobytes()
    )


def rgba_of(picture: Picture) -> numpy.ndarray:
    """(H, W, 4) uint8 or uint16; opaque where the picture has no alpha."""
    pixels = array_of(picture)
    if pixels.shape[2] == 4:
        return pixels
    white = numpy.iinfo(pixels.dtype).max
    rgba = numpy.full((*pixels.shape[:2], 4), white, pixels.dtype)
    rgba[..., :3] = pixels  # one channel goes into all three
    return rgba


def cut(pixels: numpy.ndarray, box: Box) -> numpy.ndarray:
    """A box of (H, W, C), which may go beyond it; there it is 0."""
    whole = Box(0, 0, pixels.shape[1], pixels.shape[0])
    if box == whole:
        return pixels
    out = numpy.zeros((box.height, box.width, pixels.shape[2]), pixels.dtype)
    inside = box.common(whole)
    if inside is not None:
        target = inside.moved(-box.x, -box.y)
        out[target.y : target.bottom, target.x : target.right] = pixels[
            inside.y : inside.bottom, inside.x : inside.right
        ]
    return out


def part_of(picture: Picture, box: Box) -> Picture:
    """A box of a picture, as `cut`."""
    return picture_of(cut(array_of(picture), box))


def resized(pixels: numpy.ndarray, width: int, height: int) -> numpy.ndarray:
    """Scaled smoothly: averages where it gets smaller, bilinear where it gets larger. Same type."""
    if pixels.shape[:2] == (height, width):
        return pixels
    out = pixels.astype(numpy.float32)
    for axis, length in ((0, height), (1, width)):
        out = _along(out, axis, length)
    if pixels.dtype.kind == "f":
        return out
    return numpy.clip(out + 0.5, 0, numpy.iinfo(pixels.dtype).max).astype(pixels.dtype)


def _along(pixels: numpy.ndarray, axis: int, length: int) -> numpy.ndarray:
    given = pixels.shape[axis]
    if length == given:
        return pixels
    if length < given:  # each pixel is the mean of what it covers
        total = numpy.concatenate(
            [numpy.zeros_like(pixels.take([0], axis)), numpy.cumsum(pixels, axis, dtype=numpy.float64)], axis
        )
        ends = numpy.arange(length + 1) * (given / length)
        low = numpy.minimum(ends.astype(int), given - 1)
        part = _shaped(ends - low, axis, pixels.ndim)
        sums = total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part
        return (numpy.diff(sums, axis=axis) * (length / given)).astype(numpy.float32)
    at = numpy.clip((numpy.arange(length) + 0.5) * (given / length) - 0.5, 0, given - 1)
    low = numpy.minimum(at.astype(int), max(given - 2, 0))
    part = _shaped(at - low, axis, pixels.ndim).astype(numpy.float32)
    high = numpy.minimum(low + 1, given - 1)
    return pixels.take(low, axis) * (1 - part) + pixels.take(high, axis) * part


def _shaped(values: numpy.ndarray, axis: int, dimensions: int) -> numpy.ndarray:
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


def laid_over(below: numpy.ndarray, above: numpy.ndarray, x: int, y: int) -> numpy.ndarray:
    """RGBA (H, W, 4) of one type with another one laid over it at x, y. What `above` does not cover keeps its
    bytes."""
    out = below.copy()
    whole = Box(0, 0, below.shape[1], below.shape[0])
    inside = Box(x, y, above.shape[1], above.shape[0]).common(whole)
    if inside is None:
        return out
    new = above[inside.y - y : inside.bottom - y, inside.x - x : inside.right - x]
    target = out[inside.y : inside.bottom, inside.x : inside.right]  # a view
    white = float(numpy.iinfo(below.dtype).max)
    alpha, ground = new[..., 3:] / white, target[..., 3:] / white
    whole_alpha = alpha + ground * (1 - alpha)
    mixed = (new[..., :3] * alpha + target[..., :3] * ground * (1 - alpha)) / numpy.maximum(whole_alpha, 1e-9)
    result = numpy.concatenate([mixed, whole_alpha * white], axis=2)
    touched = new[..., 3] > 0
    target[touched] = (result + 0.5).astype(below.dtype)[touched]
    return out


def srgb(linear_values: numpy.ndarray) -> numpy.ndarray:
    """Of scene-linear values: 0 … 1, clipped."""
    values = numpy.clip(linear_values, 0.0, 1.0)
    return numpy.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)


def linear(srgb_values: numpy.ndarray) -> numpy.ndarray:
    """The way back."""
    low = srgb_values / 12.92
    return numpy.where(srgb_values <= 0.04045, low, ((srgb_values + 0.055) / 1.055) ** 2.4)
