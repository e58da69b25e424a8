"""Pictures and masks from files.

Sizes are read from the header and checked before anything is decoded. What comes out is upright (EXIF), sRGB,
and of 16 bits a channel where the file is.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from impasto_protocol.errors import BadImage, ImageTooLarge, SizeMismatch
from impasto_protocol.rasters import PixelFormat, bytes_per_pixel, channels, raster_size
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

__all__ = ["Array", "Picture", "as_array", "from_array", "load_mask", "load_picture"]

Array = npt.NDArray[np.generic]

MAX_PIXELS = 64_000_000  # of one file, decoded; see docs/security.md
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
_SIXTEEN_BIT_GRAY = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_BITS_PER_SAMPLE = 258  # TIFF tag
_ORIENTATION = 0x0112  # EXIF tag

# Pillow's own bound is higher than ours, and half of it is a mere warning: a 13300² PNG of 21 kB would pass.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, eq=False)
class Picture:
    """A raster in one of the protocol's formats, sRGB, straight alpha."""

    width: int
    height: int
    format: PixelFormat
    pixels: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels: how the server names them."""
        return hashlib.sha256(self.pixels).hexdigest()

    def array(self) -> Array:
        """(H, W) or (H, W, C), read-only."""
        return as_array(self.pixels, self.width, self.height, self.format)


def as_array(pixels: bytes | bytearray | memoryview, width: int, height: int, format: PixelFormat) -> Array:
    """The raster as (H, W) or (H, W, C): uint8, uint16 or float32. ValueError for a wrong size."""
    if len(pixels) != raster_size(width, height, format):
        raise ValueError(f"{len(pixels)} bytes are not a {width}×{height} {format.value} raster")
    count = channels(format)
    kind = {1: "<u1", 2: "<u2", 4: "<f4"}[bytes_per_pixel(format) // count]
    shape = (height, width) if count == 1 else (height, width, count)
    return np.frombuffer(pixels, dtype=kind).reshape(shape)


def from_array(array: Array) -> Picture:
    """(H, W), (H, W, 3) or (H, W, 4) of uint8, or (H, W, 4) of uint16."""
    height, width = array.shape[:2]
    count = 1 if array.ndim == 2 else array.shape[2]
    kind = {
        (1, 1): PixelFormat.GRAY8,
        (3, 1): PixelFormat.RGB8,
        (4, 1): PixelFormat.RGBA8,
        (4, 2): PixelFormat.RGBA16,
    }[count, array.dtype.itemsize]
    return Picture(width, height, kind, np.ascontiguousarray(array).tobytes())


def load_picture(path: Path) -> Picture:
    """A PNG, JPEG, WebP or TIFF to paint on: rgb8, rgba8, or rgba16 for all that has 16 bits a channel.

    Gray becomes RGB, so that colour can be painted into it. 16-bit colour with an ICC profile other than sRGB
    comes out with 8 bits: the converter has no 16-bit RGB. Raises `BadImage`, `ImageTooLarge`.
    """
    data = _read(path)
    with _open(path, data) as image:
        profile = _profile(image)
        if _is_sixteen_bit_colour(image, data) and profile is None:
            return from_array(_decode_sixteen_bit(path, data, _orientation(image)))
        upright = _decode(path, image)
    if upright.mode in _SIXTEEN_BIT_GRAY:
        return from_array(_gray_to_rgba(np.clip(np.asarray(upright), 0, 65535).astype("<u2")))
    if upright.mode == "F":
        raise BadImage(f"{path} has floating-point pixels. Save it with 8 or 16 bits a channel.")
    has_alpha = upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info
    return from_array(np.asarray(_to_srgb(upright, profile, "RGBA" if has_alpha else "RGB")))


def load_mask(path: Path, width: int, height: int) -> Picture:
    """A mask of the picture's size, gray8: 0 keep … 255 repaint. Its luminance; where that is the same
    everywhere and there is an alpha channel, the alpha. Never resized. Raises `BadImage`, `ImageTooLarge`,
    `SizeMismatch`."""
    data = _read(path)
    with _open(path, data) as image:
        upright = _decode(path, image)
    if (upright.width, upright.height) != (width, height):
        raise SizeMismatch(
            f"The mask is {upright.width}×{upright.height} px and the picture is {width}×{height} px. "
            "Make both the same size."
        )
    return from_array(_mask_values(upright))


def _mask_values(image: Image.Image) -> npt.NDArray[np.uint8]:
    if image.mode in _SIXTEEN_BIT_GRAY:
        wide = np.clip(np.asarray(image), 0, 65535).astype(np.uint32)
        scaled: npt.NDArray[np.uint8] = ((wide * 255 + 32767) // 65535).astype(np.uint8)
        return scaled
    if image.mode == "F":
        values = np.clip(np.nan_to_num(np.asarray(image, np.float32)), 0.0, 1.0)
        return np.asarray(values * 255.0 + 0.5).astype(np.uint8)
    rgba = np.asarray(image.convert("RGBA"))
    luminance: npt.NDArray[np.uint8] = np.asarray(image.convert("RGB").convert("L"))
    alpha: npt.NDArray[np.uint8] = rgba[:, :, 3]
    constant = bool((luminance == luminance[0, 0]).all())
    return alpha if constant and bool((alpha < 255).any()) else luminance


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BadImage(f"There is no file {path}.") from error
    except OSError as error:
        raise BadImage(f"{path} cannot be read: {error.strerror}.") from error
    if not data:
        raise BadImage(f"{path} is empty (0 bytes). Export the picture again.")
    return data


def _open(path: Path, data: bytes) -> Image.Image:
    """The image with its header read and its size checked, not yet decoded."""
    try:
        with _quietly():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BadImage(f"{path} is no PNG, JPEG, WebP or TIFF, or is broken. Save it as PNG.") from error
    except Exception as error:  # parsers of broken headers raise what they like
        raise BadImage(f"{path} is broken. Export the picture again.") from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageTooLarge(
            f"{path} has {image.width}×{image.height} px, and at most {MAX_PIXELS // 1_000_000} million "
            "pixels are read from a file. Make it smaller, or cut out the part to paint on."
        )
    return image


@contextmanager
def _quietly() -> Iterator[None]:
    """Pillow warns of broken EXIF and the like; the artist sees the picture, and that is what counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decode(path: Path, image: Image.Image) -> Image.Image:
    """Decoded and upright."""
    try:
        with _quietly():
            image.load()
            return ImageOps.exif_transpose(image)
    except MemoryError as error:
        raise ImageTooLarge(f"{path} does not fit into memory. Make it smaller.") from error
    except Exception as error:  # and so do decoders
        raise BadImage(f"{path} is cut short or broken. Export the picture again.") from error


def _is_sixteen_bit_colour(image: Image.Image, data: bytes) -> bool:
    """Pillow would quietly drop the lower eight bits of these."""
    if image.format == "PNG":  # IHDR: bit depth at 24, colour type at 25 (2 RGB, 4 gray and alpha, 6 RGBA)
        return data[24:26] in (b"\x10\x02", b"\x10\x04", b"\x10\x06")
    if image.format == "TIFF":
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        return tuple(tags.get(_BITS_PER_SAMPLE, ())) in ((16,) * 3, (16,) * 4) and image.mode in (
            "RGB",
            "RGBA",
        )
    return False


def _decode_sixteen_bit(path: Path, data: bytes, orientation: int) -> npt.NDArray[np.uint16]:
    """(H, W, 4) uint16."""
    import cv2

    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        raise BadImage(f"{path} is cut short or broken. Export the picture again.")
    code = cv2.COLOR_BGR2RGBA if decoded.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    pixels = cv2.cvtColor(decoded, code)
    return np.ascontiguousarray(_upright(pixels, orientation))


def _gray_to_rgba(gray: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """(H, W) → (H, W, 4), opaque."""
    return np.dstack([gray, gray, gray, np.full_like(gray, 65535)])


def _orientation(image: Image.Image) -> int:
    with _quietly():
        try:
            return int(image.getexif().get(_ORIENTATION, 1))
        except (OSError, ValueError, SyntaxError, TypeError):
            return 1


def _upright(pixels: npt.NDArray[np.uint16], orientation: int) -> npt.NDArray[np.uint16]:
    """EXIF orientation 1 … 8, for an array. 5 … 8 swap width and height."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The embedded ICC profile, if it is readable and not sRGB: converting sRGB to sRGB could move a bit."""
    embedded = image.info.get("icc_profile")
    if not embedded:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        return None if "srgb" in ImageCms.getProfileDescription(profile).lower() else profile
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None  # the picture is shown by every viewer as if there were none


def _to_srgb(image: Image.Image, profile: ImageCms.ImageCmsProfile | None, mode: str) -> Image.Image:
    """`mode` is RGB or RGBA. Palette, gray and CMYK become it on the way."""
    if profile is None:
        return image.convert(mode)
    alpha = image.convert("RGBA").getchannel("A") if mode == "RGBA" else None
    source = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(
            source,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:  # a profile for another kind of pixels than the file has
        converted = None
    result = converted if converted is not None else source.convert("RGB")
    if alpha is not None:
        result.putalpha(alpha)
    return result
