"""Images read as pictures, in turns that the artist does not feel."""

from collections.abc import Generator
from typing import Any

import bpy
import numpy as np
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.texts import tr

from . import packed
from .loop import Trouble
from .pixels import floats_in_turns
from .textures import BESIDE, JOB

__all__ = ["base_of", "picture_of", "readable"]

BAND_PX = 1 << 17  # converted in one turn: about 4 ms
CHANNELS = {PixelFormat.RGBA8: 4, PixelFormat.RGB8: 3, PixelFormat.GRAY8: 1}
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
# What becomes of a texture's alphas on their way back to the server; see `textures.TO_BLENDER`.
TO_SERVER = np.array([255] * BESIDE + [0, 1, 255], np.uint8)
OPAQUE = np.full(256, 255, np.uint8)
AS_IT_IS = np.arange(256, dtype=np.uint8)

Sliced = Generator[float | None, None, Any]


def readable(image: Any) -> bool:
    """Whether there is something to be read. What is packed need not be loaded for that."""
    return (image.packed_file is not None and not image.has_data) or min(image.size) > 0


def base_of(name: str) -> Sliced:
    """The texture as RGBA8, its alpha as the server has it. Where it is the artist's own, its alpha is not
    ours to read: all of it counts as painted."""
    image = bpy.data.images.get(name)
    ours = image is not None and JOB in image
    return (yield from picture_of(name, PixelFormat.RGBA8, alphas=TO_SERVER if ours else OPAQUE))


def picture_of(
    name: str, format: PixelFormat, size: tuple[int, int] | None = None, alphas: np.ndarray = AS_IT_IS
) -> Sliced:
    """The image as RGBA8, RGB8 or GRAY8, in sRGB, resampled to `size` (width, height). GRAY8 is brightness
    where it is opaque. `alphas`: what becomes of each alpha of RGBA8. Raises `Trouble`."""
    values, linear = yield from _values(name)
    height, width = values.shape[:2]
    pixels = bytearray()  # grows in place: one copy of it all would be a long turn of its own
    if size is None or size == (width, height):
        for rows in _bands(height, width):
            pixels += _bytes(_srgb(values[rows], linear), format, alphas)
            yield
        return Picture(width, height, format, pixels)
    narrow = yield from _across(values, linear, size[0])
    first, weights = _taps(height, size[1])
    for rows in _bands(size[1], size[0]):
        pixels += _bytes(_mixed(narrow, first[rows], weights[rows], 0), format, alphas)
        yield
    return Picture(*size, format, pixels)


def _values(name: str) -> Sliced:
    """((h, w, C) as Blender has them, float32 or uint8, the top row first; whether they are scene-linear)."""
    file = packed.file_of(_image(name))
    if file is not None:
        texels = yield from packed.texels_of(file)
        if texels is not None:
            return texels, False
    image = _image(name)
    if not min(image.size) or image.channels not in (1, 3, 4):
        raise _unreadable(name)
    try:
        values = yield from floats_in_turns(image)
    except (RuntimeError, TypeError):
        raise _unreadable(name) from None
    linear = bool(image.is_float)
    yield
    return values, linear


def _image(name: str) -> Any:
    image = bpy.data.images.get(name)
    if image is None:
        raise Trouble(tr("The image “{name}” is gone. Choose another one.", name=name))
    return image


def _bands(height: int, width: int) -> list[slice]:
    rows = max(1, BAND_PX // width)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def _srgb(values: np.ndarray, linear: bool) -> np.ndarray:
    """(h, w, 4) float32, sRGB 0 … 1, of some rows of `_values`."""
    if values.dtype == np.uint8:
        values = values / np.float32(255)
    channels = values.shape[2]
    if channels == 4 and not linear:
        return values
    pixels = np.ones((*values.shape[:2], 4), np.float32)
    colours = values[..., :3]  # one channel goes into all three
    pixels[..., :3] = _encoded(colours) if linear else colours
    if channels == 4:
        pixels[..., 3] = values[..., 3].clip(0.0, 1.0)
    return pixels


def _encoded(linear: np.ndarray) -> np.ndarray:
    """The sRGB curve (IEC 61966-2-1)."""
    light = linear.clip(0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def _bytes(pixels: np.ndarray, format: PixelFormat, alphas: np.ndarray) -> bytes:
    channels = CHANNELS[format]
    if channels == 1:
        pixels = ((pixels[..., :3] @ LUMA) * pixels[..., 3])[..., None]
    found = (pixels[..., :channels] * 255.0 + 0.5).clip(0, 255).astype(np.uint8)
    if channels == 4:
        found[..., 3] = alphas[found[..., 3]]
    return found.tobytes()


# ── another size ─────────────────────────────────────────────────────────────────────────────────────────


def _across(values: np.ndarray, linear: bool, width: int) -> Sliced:
    """(h, width, 4) float32, sRGB: each row resampled."""
    height, before = values.shape[:2]
    first, weights = _taps(before, width)
    found = np.empty((height, width, 4), np.float32)
    for rows in _bands(height, 2 * max(before, width)):
        pixels = _srgb(values[rows], linear)
        found[rows] = _mixed(pixels, first, weights, 1) if width != before else pixels
        yield
    return found


def _mixed(pixels: np.ndarray, first: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Each new pixel is the mean of what it covers, or lies between its neighbours; along one axis."""
    shape = list(pixels.shape)
    shape[axis] = len(first)
    found = np.zeros(shape, np.float32)
    broadcast = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    for tap in range(weights.shape[1]):
        at = (first + tap).clip(0, pixels.shape[axis] - 1)
        found += np.take(pixels, at, axis=axis) * weights[:, tap].reshape(broadcast)
    return found


def _taps(before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """For each new pixel its first old one, and the weights (after, taps) of those from there: a triangle of
    the wider of both pixels."""
    scale = before / after
    reach = max(scale, 1.0)
    centre = (np.arange(after) + 0.5) * scale - 0.5
    first = np.ceil(centre - reach).astype(int)
    taps = int(np.ceil(2 * reach)) + 1
    away = np.abs(first[:, None] + np.arange(taps) - centre[:, None])
    weights = np.maximum(0.0, 1.0 - away / reach)
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _unreadable(name: str) -> Trouble:
    return Trouble(
        tr(
            "The image “{name}” cannot be read. Open it in the Image Editor, or choose another one.",
            name=name,
        )
    )
