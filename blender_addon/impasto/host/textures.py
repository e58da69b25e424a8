"""Pictures as images that are packed into the file.

An image is made of a PNG file in memory: Blender takes it as it is, bit by bit, where packing the pixels
themselves would stop the artist for a tenth of a second. Blender's rows begin at the bottom.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import bpy
import numpy as np
from impasto_studio.host import Picture
from impasto_studio.png import png
from impasto_studio.workers import WorkerThread

__all__ = [
    "BESIDE",
    "JOB",
    "Encoder",
    "image_of",
    "mean_colour",
    "names",
    "show",
    "shown_first",
]

JOB = "impasto_job"  # on images and materials of ours: whose they are
MAP = "impasto_map"  # on images that show a map
# A texture's alpha says how its texels came to be: 255 painted, 1 filled, 0 beside the layout. In Blender,
# and wherever the image goes from there, all of it has to be seen; where a brush goes, it becomes 255.
FILLED, BESIDE = 254, 253
TO_BLENDER = np.array([BESIDE, FILLED] + [255] * 254, np.uint8)


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
