"""Document rasters in and out of the maths.

A *raster* is a document's own array: (H, W) or (H, W, 1) gray, (H, W, 3) RGB, (H, W, 4) RGBA with straight
(unassociated) alpha; uint8, uint16, or float32 with 1.0 as white. Inside the maths colour is float32 (H, W,
3), sRGB-encoded, 0..1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from impasto_server.compositing.errors import MaskSizeMismatch, UnsupportedRaster

FloatArray = npt.NDArray[np.float32]
# Any of the document dtypes; the functions here check which.
Raster = npt.NDArray[Any]

# Rows flattened together: bounds the float temporaries of a 16k wide picture to about 13 MB.
_BAND_ROWS = 64


def white(dtype: npt.DTypeLike) -> int:
    """The sample value of full intensity: 255, 65535, or 1 for float32."""
    kind = np.dtype(dtype)
    if kind == np.uint8:
        return 255
    if kind == np.uint16:
        return 65535
    return 1


def as_hwc(image: Raster) -> Raster:
    """A view of ``image`` with three dimensions. Raises `UnsupportedRaster`."""
    view = image[:, :, None] if image.ndim == 2 else image
    if view.ndim != 3 or view.shape[2] not in (1, 3, 4) or 0 in view.shape:
        raise UnsupportedRaster(
            f"A picture of shape {image.shape} cannot be painted on. Send gray, RGB or RGBA pixels."
        )
    if view.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)):
        raise UnsupportedRaster(
            f"Pixels of type {image.dtype} are not supported. Send 8-bit, 16-bit or 32-bit float pixels."
        )
    return view


def check_mask(mask: Raster, image: Raster) -> None:
    """Raise unless ``mask`` is (H, W) of ``image``'s size and of a type a selection can have."""
    if mask.ndim != 2:
        raise UnsupportedRaster(f"A mask has one channel, this one has shape {mask.shape}. Send one channel.")
    if mask.shape != image.shape[:2]:
        raise MaskSizeMismatch(mask.shape, image.shape)
    if mask.dtype.kind not in "bf" and mask.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise UnsupportedRaster(
            f"A mask of type {mask.dtype} is not supported. Send 8-bit, 16-bit or float pixels."
        )


def mask_values(mask: Raster) -> FloatArray:
    """A part of a mask as float32 0..1; out of range is clipped, NaN is 0. Returns a new array."""
    if mask.dtype.kind in "bf":
        values = mask.astype(np.float32)
        return np.clip(np.nan_to_num(values, copy=False), 0.0, 1.0, out=values)
    return mask.astype(np.float32) * np.float32(1.0 / white(mask.dtype))


def flatten(image: Raster, background: float) -> Raster:
    """RGB (H, W, 3) in the document's own dtype, transparent parts shown over ``background`` (0..1).

    Opaque RGB comes back as a view. Works in bands so that a large canvas never has a float copy.
    """
    channels = image.shape[2]
    if channels == 3:
        return image
    if channels == 1:
        return np.broadcast_to(image, (*image.shape[:2], 3))
    peak = white(image.dtype)
    if bool((image[:, :, 3] >= peak).all()):
        return image[:, :, :3]
    flat = np.empty((*image.shape[:2], 3), dtype=image.dtype)
    for start in range(0, image.shape[0], _BAND_ROWS):
        band = image[start : start + _BAND_ROWS].astype(np.float32)
        alpha = np.clip(band[:, :, 3:] * np.float32(1.0 / peak), 0.0, 1.0)
        over = background * peak + alpha * (band[:, :, :3] - background * peak)
        flat[start : start + _BAND_ROWS] = quantise(over * np.float32(1.0 / peak), image.dtype)
    return flat


def to_float(image: Raster) -> FloatArray:
    """Samples as float32 with white at 1; integer formats land in 0..1, float is clipped, NaN is 0."""
    if image.dtype.kind == "f":
        return np.clip(np.nan_to_num(image.astype(np.float32)), 0.0, 1.0)
    return image.astype(np.float32) * np.float32(1.0 / white(image.dtype))


def quantise(values: npt.NDArray[np.floating], dtype: npt.DTypeLike) -> Raster:
    """Float samples (white at 1) in a document dtype, rounded to nearest; float32 passes unclipped."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return values.astype(np.float32)
    peak = white(kind)
    rounded: Raster = (np.clip(values, 0.0, 1.0) * np.float32(peak) + np.float32(0.5)).astype(kind)
    return rounded
