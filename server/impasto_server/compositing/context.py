"""Which part of the canvas the model sees, and at which size.

The context is the mask's box plus surroundings at *every* strength: a patch that saw nothing of the picture
cannot fit it. Constants without a source were chosen on synthetic scenes by the bars of `tests/compositing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np

from impasto_server.compositing.geometry import Box, place_span, round_up
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, flatten
from impasto_server.compositing.resample import reduce_raster, resize

# Surroundings on each side: half the mask's longer side within these bounds; the upper one grows with
# strength, since a repaint from nothing needs more of the scene than a retouch.
_PADDING_PX = (64, 128)
_PADDING_SHARE = 0.5
# Mean sides between these multiples of the native size are shown to the model pixel for pixel: models trained
# at one size draw well a little above it, and resampling costs more than it gains.
_AS_IS = (0.9, 1.25)
# A second pass must add at least this much resolution to be worth its time.
_WORTH_HIRES = 1.25
# Context boxes are at most this elongated where the canvas permits ("towards a square").
_LONGEST_ASPECT = 2


@dataclass(frozen=True)
class CropPlan:
    """Geometry of one inpaint job.

    canvas:  (width, height) of the document in pixels.
    bounds:  the mask's box on the canvas.
    context: the box cut from the canvas; contains ``bounds``.
    content: (width, height) of the context in the first pass, in working pixels.
    working: (width, height) the model sees: ``content`` padded right and below up to the grid.
    hires_content, hires_working: the same for the second pass, or None where it would add nothing.
    """

    canvas: tuple[int, int]
    bounds: Box
    context: Box
    content: tuple[int, int]
    working: tuple[int, int]
    hires_content: tuple[int, int] | None
    hires_working: tuple[int, int] | None

    @property
    def scale(self) -> float:
        """Working pixels per canvas pixel in the first pass."""
        return sqrt(self.content[0] * self.content[1] / self.context.area)


def plan_crop(
    bounds: Box,
    canvas: tuple[int, int],
    *,
    native: int,
    strength: float,
    grid: int = 8,
    max_hires: float = 2.0,
) -> CropPlan:
    """Choose context and working sizes for a mask with ``bounds`` on a ``canvas`` (width, height).

    The context is at least ``native`` on both sides where the canvas permits, at most 2 : 1 where it permits,
    and its sides are multiples of ``grid`` unless it spans the canvas. Working area is near ``native``².
    """
    context = _context_box(bounds, canvas, native, strength, grid)
    mean_side = sqrt(context.area)
    scale = native / mean_side
    if _AS_IS[0] <= mean_side / native <= _AS_IS[1]:
        scale = 1.0
    content = _scaled(context, scale)
    hires_content: tuple[int, int] | None = None
    hires_scale = min(1.0, max_hires * native / mean_side)
    if hires_scale >= _WORTH_HIRES * scale:
        hires_content = _scaled(context, hires_scale)
    return CropPlan(
        canvas=canvas,
        bounds=bounds,
        context=context,
        content=content,
        working=_on_grid(content, native, grid),
        hires_content=hires_content,
        hires_working=None if hires_content is None else _on_grid(hires_content, native, grid),
    )


def _context_box(bounds: Box, canvas: tuple[int, int], native: int, strength: float, grid: int) -> Box:
    low, high = _PADDING_PX
    most = low + (high - low) * strength
    padding = round(min(max(_PADDING_SHARE * max(bounds.width, bounds.height), low), most))
    width = max(bounds.width + 2 * padding, native)
    height = max(bounds.height + 2 * padding, native)
    width, height = max(width, -(-height // _LONGEST_ASPECT)), max(height, -(-width // _LONGEST_ASPECT))
    width = min(round_up(width, grid), canvas[0])
    height = min(round_up(height, grid), canvas[1])
    return Box(
        place_span(bounds.x, bounds.right, width, canvas[0]),
        place_span(bounds.y, bounds.bottom, height, canvas[1]),
        width,
        height,
    )


def _scaled(context: Box, scale: float) -> tuple[int, int]:
    return max(round(context.width * scale), 1), max(round(context.height * scale), 1)


def _on_grid(content: tuple[int, int], native: int, grid: int) -> tuple[int, int]:
    """Padded up to the grid, and to a quarter of the native size: UNets halve a side three times or more."""
    least = native // 4
    return round_up(max(content[0], least), grid), round_up(max(content[1], least), grid)


def crop(
    image: Raster, context: Box, content: tuple[int, int], working: tuple[int, int], background: float
) -> FloatArray:
    """The context of a document raster at working size: (working[1], working[0], 3) float32 0..1."""
    part = flatten(as_hwc(image)[context.slices], background)
    return pad_to(reduce_raster(part, content), working)


def pad_to(image: FloatArray, working: tuple[int, int]) -> FloatArray:
    """``image`` continued to the right and below by its edge pixels; removed again by `paste`."""
    down, right = working[1] - image.shape[0], working[0] - image.shape[1]
    if down == 0 and right == 0:
        return image
    padded: FloatArray = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
    return padded.reshape(working[1], working[0], *image.shape[2:])


def paste(image: FloatArray, context: Box, content: tuple[int, int], part: Box) -> FloatArray:
    """The inverse of `crop`: ``part`` of the canvas (inside ``context``) from a working-size picture.

    image: (h, w, 3) of any working size whose ``content`` is given. Returns (part.height, part.width, 3)
    float32; Lanczos may leave 0..1 by a little.
    """
    inside = part.shifted(-context.x, -context.y)
    return resize(
        np.ascontiguousarray(image[: content[1], : content[0]]),
        (context.width, context.height),
        columns=(inside.x, inside.right),
        rows=(inside.y, inside.bottom),
    )
