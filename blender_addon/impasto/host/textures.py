"""Images as pictures, and pictures as images that are packed into the file.

An image is made of a PNG file in memory: Blender takes it as it is, bit by bit, where packing the pixels
themselves would stop the artist for a tenth of a second. Blender's rows begin at the bottom.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import bpy
import numpy as np
from impasto_protocol.rasters import PixelFormat
from impasto_studio.host import Picture
from impasto_studio.png import png
from impasto_studio.workers import WorkerThread

from .loop import Trouble

__all__ = [
    "JOB",
    "Encoder",
    "base_of",
    "image_of",
    "mean_colour",
    "names",
    "picture_of",
    "show",
    "shown_first",
]

JOB = "impasto_job"  # on images and materials of ours: whose they are
MAP = "impasto_map"  # on images that show a map
GONE = "The image “{name}” is gone. Choose another one."
EMPTY = "The image “{name}” cannot be read. Open it in the Image Editor, or choose another one."
BAND = 256  # rows at once
# A texture's alpha says how its texels came to be: 255 painted, 1 filled, 0 beside the layout. In Blender,
# and wherever the image goes from there, all of it has to be seen; where a brush goes, it becomes 255.
FILLED, BESIDE = 254, 253
TO_BLENDER = np.array([BESIDE, FILLED] + [255] * 254, np.uint8)
TO_SERVER = np.array([255] * BESIDE + [0, 1, 255], np.uint8)
OPAQUE = np.full(256, 255, np.uint8)
AS_IT_IS = np.arange(256, dtype=np.uint8)

Sliced = Generator[None, None, Any]


class Encoder:
    """Makes PNG files of pictures on a thread of its own. `done` gets them on the main thread."""

    def __init__(self, call_soon: Any) -> None:
        self._worker = WorkerThread("impasto-png", call_soon)

    def close(self) -> None:
        self._worker.close()

    def files(self, pictures: Sequence[Picture], done: Any, failed: Any) -> None:
        """As they are."""
        self._do(lambda: list(map(png, pictures)), done, failed)

    def textures(self, pictures: Sequence[Picture], done: Any, failed: Any) -> None:
        """RGBA8, as Blender shall have them."""
        self._do(lambda: [png(_for_blender(one)) for one in pictures], done, failed)

    def _do(self, make: Callable[[], list[bytes]], done: Any, failed: Any) -> None:
        self._worker.do(make, done, lambda error: failed(error.sentence))


def image_of(name: str, size: tuple[int, int], file: bytes, alpha: bool) -> Any:
    """A new image of a PNG file, packed."""
    image = bpy.data.images.new(name, *size, alpha=alpha)
    image.pack(data=file, data_len=len(file))
    image.source = "FILE"
    image.colorspace_settings.name = "sRGB"
    # Colours are whole where alpha is not.
    image.alpha_mode = "CHANNEL_PACKED"
    return image


def show(name: str, size: tuple[int, int], file: bytes, alpha: bool = False) -> Any:
    """Makes an image, or puts it in the place of the one of that name wherever that is shown."""
    old = bpy.data.images.get(name)
    image = image_of(name, size, file, alpha)
    if old is not None:
        old.user_remap(image)
        bpy.data.images.remove(old)
        image.name = name
    return image


def names() -> tuple[str, ...]:
    """Images that may be laid on, the one being looked at first."""
    found = [
        image.name
        for image in bpy.data.images
        if image.type in ("IMAGE", "UV_TEST") and image.source != "VIEWER" and MAP not in image
    ]
    first = shown_first()
    return tuple(sorted(found, key=lambda name: (name != first, name)))


def shown_first() -> str:
    """Name of the image in the first Image Editor; empty without one."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image is not None:
                return str(area.spaces.active.image.name)
    return ""


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def picture_of(
    name: str, format: PixelFormat, size: tuple[int, int] | None = None, alphas: np.ndarray = AS_IT_IS
) -> Sliced:
    """The image as RGBA8, RGB8 or GRAY8, in sRGB, resampled to `size` (width, height). GRAY8 is brightness
    where it is opaque. `alphas`: what becomes of each alpha of RGBA8. Raises `Trouble`."""
    pixels = yield from _read(name)
    if size is not None and size != (pixels.shape[1], pixels.shape[0]):
        pixels = yield from _resampled(pixels, *size)
    height, width = pixels.shape[:2]
    channels = {PixelFormat.RGBA8: 4, PixelFormat.RGB8: 3, PixelFormat.GRAY8: 1}[format]
    found = np.empty((height, width, channels), np.uint8)
    for start in range(0, height, BAND):
        rows = pixels[start : start + BAND]
        if channels == 1:
            rows = (rows[..., :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32) * rows[..., 3])[..., None]
        else:
            rows = rows[..., :channels]
        found[start : start + BAND] = (rows * 255.0 + 0.5).clip(0, 255).astype(np.uint8)
        if channels == 4:
            found[start : start + BAND, :, 3] = alphas[found[start : start + BAND, :, 3]]
        yield
    return Picture(width, height, format, found.tobytes())


def base_of(name: str) -> Sliced:
    """The texture as RGBA8, its alpha as the server has it. Where it is the artist's own, its alpha is not
    ours to read: all of it counts as painted."""
    image = bpy.data.images.get(name)
    ours = image is not None and JOB in image
    return (yield from picture_of(name, PixelFormat.RGBA8, alphas=TO_SERVER if ours else OPAQUE))


def _read(name: str) -> Sliced:
    """(h, w, 4) float32, sRGB 0 … 1, the top row first."""
    image = bpy.data.images.get(name)
    if image is None:
        raise Trouble(GONE.format(name=name))
    width, height = image.size
    if not width or not height or image.channels not in (1, 3, 4):
        raise Trouble(EMPTY.format(name=name))
    raw = np.empty(width * height * image.channels, np.float32)
    try:
        image.pixels.foreach_get(raw)
    except (RuntimeError, TypeError):
        raise Trouble(EMPTY.format(name=name)) from None
    linear = bool(image.is_float)
    channels = image.channels
    yield
    raw = raw.reshape(height, width, channels)[::-1]
    pixels = np.ones((height, width, 4), np.float32)
    for start in range(0, height, BAND):
        rows = raw[start : start + BAND]
        colours = np.repeat(rows, 3, axis=2) if channels == 1 else rows[..., :3]
        pixels[start : start + BAND, :, :3] = _encoded(colours) if linear else colours
        if channels == 4:
            pixels[start : start + BAND, :, 3] = rows[..., 3].clip(0.0, 1.0)
        yield
    return pixels


def _for_blender(picture: Picture) -> Picture:
    pixels = np.frombuffer(picture.pixels, np.uint8).reshape(-1, 4).copy()
    pixels[:, 3] = TO_BLENDER[pixels[:, 3]]
    return replace(picture, pixels=pixels.tobytes())


def mean_colour(picture: Picture) -> tuple[float, float, float, float]:
    """Of an RGBA8 texture, roughly and linear: what the solid view shows where it shows no textures."""
    some = np.frombuffer(picture.pixels, np.uint8).reshape(-1, 4)[::61].astype(np.float32) / 255.0
    inside = some[some[:, 3] > 0.0]
    mean = inside[:, :3].mean(axis=0) if len(inside) else np.full(3, 0.5, np.float32)
    linear = np.where(mean <= 0.04045, mean / 12.92, ((mean + 0.055) / 1.055) ** 2.4)
    red, green, blue = map(float, linear)
    return red, green, blue, 1.0


def _encoded(linear: np.ndarray) -> np.ndarray:
    """The sRGB curve (IEC 61966-2-1)."""
    light = linear.clip(0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def _resampled(pixels: np.ndarray, width: int, height: int) -> Sliced:
    """Each new pixel is the mean of what it covers, or lies between its neighbours; both axes in turn."""
    for axis, count in ((0, height), (1, width)):
        first, weights = _taps(pixels.shape[axis], count)
        shape = list(pixels.shape)
        shape[axis] = count
        found = np.zeros(shape, np.float32)
        broadcast = (-1, 1, 1) if axis == 0 else (1, -1, 1)
        for tap in range(weights.shape[1]):
            at = (first + tap).clip(0, pixels.shape[axis] - 1)
            found += np.take(pixels, at, axis=axis) * weights[:, tap].reshape(broadcast)
            yield
        pixels = found
    return pixels


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
