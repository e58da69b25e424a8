"""Pixels of Blender's images: read and written as they are, without a loss.

Blender keeps an image's rows from bottom to top; arrays here have them from top to bottom.
"""

from typing import Any

import numpy
from impasto_studio.geometry import Box
from impasto_studio.texts import tr

from .arrays import linear, srgb
from .loop import Sliced, Trouble

__all__ = [
    "BAND_ROWS",
    "check_image",
    "floats_in_turns",
    "floats_of",
    "laid_into",
    "put_floats",
    "sizes_of",
    "values_of",
]

BAND_ROWS = 32  # converted between two rests: 10 ms of 4096 pixels


def check_image(image: Any) -> None:
    """Raises `Trouble` for an image whose pixels are not there to be painted on."""
    sentence = ""
    if image.type in ("RENDER_RESULT", "COMPOSITING"):
        sentence = tr(
            "“{name}” shows what is made elsewhere. Save it as an image (Image > Save As), and open that.",
            name=image.name,
        )
    elif image.type == "MULTILAYER":
        sentence = tr(
            "“{name}” has several layers. Save the one you want as an image of its own.", name=image.name
        )
    elif image.source == "TILED":
        sentence = tr(
            "“{name}” has several tiles (UDIM). Open one of them as an image of its own.", name=image.name
        )
    elif image.source in ("MOVIE", "SEQUENCE"):
        sentence = tr(
            "“{name}” is a movie or a sequence. Open one of its frames as an image.", name=image.name
        )
    elif image.library is not None:
        sentence = tr(
            "“{name}” is linked from another file. Make it local (ID Data > Make Local), or open that file.",
            name=image.name,
        )
    elif not min(image.size) or not len(image.pixels):
        sentence = tr(
            "“{name}” has no pixels. If its file is missing, find it with File > External Data.",
            name=image.name,
        )
    if sentence:
        raise Trouble(sentence)


def sizes_of(image: Any) -> tuple[int, int]:
    """Width and height; 0 where nothing could be loaded."""
    return int(image.size[0]), int(image.size[1])


def floats_of(image: Any) -> numpy.ndarray:
    """(H, W, C) float32 as Blender has them: bytes / 255, or scene-linear with premultiplied alpha."""
    return _filled(image, numpy.empty(_shape(image), numpy.float32))


def floats_in_turns(image: Any) -> Sliced:
    """`floats_of`. Only one step cannot be divided: Blender copies an image's values all at once. That is
    quick, 25 ms at 4096², where the memory it copies into is in use already; the first touch of that much
    memory is what takes half a second. So the memory is touched before, a band at each turn."""
    shape = None
    while shape != _shape(image):  # it may change meanwhile
        shape = _shape(image)
        values = numpy.empty(shape, numpy.float32)
        for top in range(0, shape[0], BAND_ROWS):
            values[top : top + BAND_ROWS] = 0.0
            yield
    return _filled(image, values)


def _shape(image: Any) -> tuple[int, int, int]:
    width, height = sizes_of(image)
    return height, width, image.channels


def _filled(image: Any, values: numpy.ndarray) -> numpy.ndarray:
    image.pixels.foreach_get(values.reshape(-1))
    return values[::-1]


def put_floats(image: Any, values: numpy.ndarray) -> None:
    """The way back; values that have not been touched end as the same bytes."""
    image.pixels.foreach_set(numpy.ascontiguousarray(values[::-1], numpy.float32).reshape(-1))
    image.update()


def values_of(image: Any, floats: numpy.ndarray) -> numpy.ndarray:
    """(H, W, 4) sRGB with straight alpha: uint8 of images of bytes, the very same; uint16 of float images."""
    rgba = _rgba(floats)
    if not image.is_float:
        return numpy.rint(rgba * 255).astype(numpy.uint8)
    alpha = numpy.clip(rgba[..., 3:], 0.0, 1.0)
    colour = rgba[..., :3]
    if _premultiplied(image):
        colour = colour / numpy.maximum(alpha, 1e-6)
    out = numpy.concatenate([srgb(colour) if _is_linear(image) else numpy.clip(colour, 0, 1), alpha], axis=2)
    return numpy.rint(out * 65535).astype(numpy.uint16)


def laid_into(image: Any, floats: numpy.ndarray, above: numpy.ndarray, box: Box) -> numpy.ndarray:
    """`floats` (H, W, C) of an image's part `box`, with sRGB values laid over: `above` (h, w, 3 or 4), uint8
    or uint16. With alpha it says how much is new; without, colours are replaced and the image's alpha stays.
    Where nothing is new, the floats are the same."""
    below = floats[box.y : box.bottom, box.x : box.right]
    white = float(numpy.iinfo(above.dtype).max)
    new = above.astype(numpy.float32) / numpy.float32(white)
    cover = new[..., 3:] if new.shape[2] == 4 else numpy.ones((*new.shape[:2], 1), numpy.float32)
    rgba = _rgba(below)
    ground = rgba[..., 3:]
    if image.is_float:
        colour = linear(new[..., :3]) if _is_linear(image) else new[..., :3]
        over = colour * cover if new.shape[2] == 4 or not _premultiplied(image) else colour * ground
        mixed = over + rgba[..., :3] * (1 - cover)
        alpha = cover + ground * (1 - cover) if new.shape[2] == 4 else ground
    else:
        alpha = cover + ground * (1 - cover) if new.shape[2] == 4 else ground
        weight = cover if new.shape[2] < 4 else cover / numpy.maximum(alpha, 1e-6)
        mixed = new[..., :3] * weight + rgba[..., :3] * (1 - weight)
    out = numpy.concatenate([mixed, alpha], axis=2).astype(numpy.float32)
    touched = cover[..., 0] > 0
    result = below.copy()
    if below.shape[2] >= 3:
        result[touched] = out[touched][:, : below.shape[2]]
    else:  # gray
        result[touched] = out[touched][:, :3].mean(axis=1, keepdims=True)
    return result


def _rgba(floats: numpy.ndarray) -> numpy.ndarray:
    count = floats.shape[2]
    if count == 4:
        return floats
    rgba = numpy.ones((*floats.shape[:2], 4), numpy.float32)
    rgba[..., :3] = floats[..., :3] if count == 3 else floats[..., :1]
    return rgba


def _premultiplied(image: Any) -> bool:
    return image.alpha_mode in ("STRAIGHT", "PREMUL")  # in memory floats are, whatever the file has


def _is_linear(image: Any) -> bool:
    """Whether colours were turned into scene-linear ones when the image was loaded. Data are data."""
    return not image.colorspace_settings.is_data
