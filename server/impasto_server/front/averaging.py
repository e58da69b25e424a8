"""A picture made small: every pixel the average of what it stands for."""

from __future__ import annotations

import cv2
import numpy as np

from impasto_server.compositing.raster import FloatArray, Raster, quantise, to_float, white

__all__ = ["reduced", "thumbnail"]

_BAND_PX = 1 << 20  # pixels in float at a time: bounds a thread to about 40 MiB, whatever the layer's size


def thumbnail(pixels: Raster, longest_px: int) -> Raster:
    """`pixels` (H, W, 1, 3 or 4) uint8, uint16 or float32 as (h, w, 4) uint8, its longer side at most
    `longest_px`; never enlarged.

    Each pixel is the average of what it stands for, weighted by alpha, so that the colour of transparent
    pixels, which nobody sees, does not bleed in.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, longest_px / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (width, height):
        small = to_float(pixels)
    elif pixels.shape[2] != 4 or int(pixels[:, :, 3].min()) == white(pixels.dtype):
        small = to_float(_averaged(pixels, size))
    else:
        small = _averaged_by_alpha(pixels, size)
    if small.shape[2] != 4:
        colour = np.broadcast_to(small, (*small.shape[:2], 3))
        small = np.concatenate([colour, np.ones((*small.shape[:2], 1), np.float32)], axis=2)
    return quantise(small, np.uint8)


def reduced(pixels: Raster, size: tuple[int, int]) -> Raster:
    """`pixels` (H, W, 1, 3 or 4) uint8, uint16 or float32 averaged down to `size`, (w, h), in its own format.
    Where there is alpha in 8 bits, colours count by it. For live pictures: in 8 bits throughout, six times as
    fast as `thumbnail`."""
    if pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        return _averaged(pixels, size)
    small = _averaged(cv2.cvtColor(pixels, cv2.COLOR_RGBA2mRGBA), size)
    straight: Raster = cv2.cvtColor(small, cv2.COLOR_mRGBA2RGBA)
    return straight


def _averaged_by_alpha(pixels: Raster, size: tuple[int, int]) -> FloatArray:
    """First by the largest whole number that fits, in bands; the rest at once."""
    height, width = pixels.shape[:2]
    whole = max(1, min(width // size[0], height // size[1]))
    rows = max(1, _BAND_PX // (width * whole)) * whole
    bands = []
    for start in range(0, height, rows):
        band = to_float(pixels[start : start + rows])
        for channel in range(3):  # six times as fast as all at once: NumPy broadcasts short axes slowly
            band[:, :, channel] *= band[:, :, 3]
        lines = -(-band.shape[0] // whole)
        bands.append(_averaged(band, (-(-width // whole), lines)) if whole > 1 else band)
    small = _averaged(np.concatenate(bands), size)
    seen = small[:, :, 3:] > 0.0
    small[:, :, :3] = np.divide(small[:, :, :3], small[:, :, 3:], out=small[:, :, :3], where=seen)
    return small


def _averaged(pixels: Raster, size: tuple[int, int]) -> Raster:
    shrunk: Raster = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)
    return shrunk.reshape(size[1], size[0], -1)
