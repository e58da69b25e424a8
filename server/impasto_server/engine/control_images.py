"""Control images on their way to a ControlNet: cut, resampled and padded exactly as the picture is.

What a ControlNet of some kind expects was settled by those who trained the published ones: lines white on
black, depth with the near white. Artists draw dark on light, and renderers give distances; both are turned
round here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from impasto_protocol.errors import BadImage
from impasto_protocol.messages import Control

from impasto_server.compositing.context import CropPlan, pad_to
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, flatten, to_float, white
from impasto_server.compositing.resample import reduce_raster
from impasto_server.families import Hint
from impasto_server.models.control_kinds import DEPTH, LINES

# Rows of a depth map looked at together: bounds the temporaries of a 16k wide one to 4 MB.
_BAND_ROWS = 64

Size = tuple[int, int]  # (width, height)


@dataclass(frozen=True, eq=False)
class ControlImage:
    """One control image at the canvas' size.

    pixels: (H, W, 1, 3 or 4) uint8 or uint16, or (H, W, 1) float32 distances. background: what transparent
    parts are shown over, 0..1. inverted: dark lines on light ground. inverse: of the farthest and the nearest
    distance, for float pixels.
    """

    pixels: Raster
    lines: bool
    background: float = 0.0
    inverted: bool = False
    inverse: tuple[float, float] = (0.0, 1.0)

    def cut(self, context: Box, content: Size, working: Size) -> FloatArray:
        """`context` at working size, (h, w, 3) float32 0..1; same geometry as `compositing.context.crop`."""
        part = self.pixels[context.slices]
        if part.dtype.kind == "f":
            part = _nearness(part, self.inverse)
        part = flatten(part, self.background)
        if self.lines:
            part = _thin(part, content, np.minimum if self.inverted else np.maximum)
        image = reduce_raster(part, content)
        return pad_to(np.float32(1.0) - image if self.inverted else image, working)


def control_image(kind: str, pixels: Raster) -> ControlImage:
    """Looks at the whole canvas once, so that what is inverted or scaled does not depend on the selection.

    Raises `BadImage` for distances (float pixels) where the kind is not depth.
    """
    hwc = as_hwc(pixels)
    if hwc.dtype.kind == "f":
        if kind != DEPTH:
            raise BadImage(f"Distances (depth32f) can steer “{DEPTH}” only, not “{kind}”. Send a picture.")
        return ControlImage(hwc, lines=False, inverse=_inverse_range(hwc))
    if kind not in LINES:
        return ControlImage(hwc, lines=False)
    inverted = _is_dark_on_light(hwc)
    return ControlImage(hwc, lines=True, background=1.0 if inverted else 0.0, inverted=inverted)


@dataclass(eq=False)
class Guides:
    """The control images of a job, with their ControlNets. Takes share what is made for a working size."""

    controls: Sequence[Control] = ()
    images: Sequence[ControlImage] = ()
    nets: Sequence[torch.nn.Module] = ()
    _made: dict[tuple[Box, Size, Size], tuple[Hint, ...]] = field(default_factory=dict)

    def first(self, plan: CropPlan) -> tuple[Hint, ...]:
        """For a pass at the plan's first working size."""
        return self._at(plan.context, plan.content, plan.working)

    def second(self, plan: CropPlan) -> tuple[Hint, ...]:
        """For a pass at the plan's second working size, which it must have."""
        assert plan.hires_content is not None
        assert plan.hires_working is not None
        return self._at(plan.context, plan.hires_content, plan.hires_working)

    def _at(self, context: Box, content: Size, working: Size) -> tuple[Hint, ...]:
        key = (context, content, working)
        if key not in self._made:
            self._made[key] = tuple(
                Hint(
                    net,
                    torch.from_numpy(image.cut(context, content, working))
                    .permute(2, 0, 1)[None]
                    .contiguous(),
                    control.strength,
                    control.start,
                    control.end,
                )
                for control, image, net in zip(self.controls, self.images, self.nets, strict=True)
            )
        return self._made[key]


def _thin(part: Raster, content: Size, extreme: np.ufunc) -> Raster:
    """Lines (H, W, 3) reduced to at least `content`, each pixel the brightest (or darkest) it stands for: a
    line one pixel wide stays one pixel wide, where averaging would let it fade."""
    for axis, length in ((0, content[1]), (1, content[0])):
        given = part.shape[axis]
        if length < given:
            # Each pixel goes to where its centre lies: i·given/length − ½, rounded up, is a cell's first.
            first = -(-(2 * np.arange(length, dtype=np.int64) * given - length) // (2 * length))
            part = extreme.reduceat(part, first, axis=axis)
    return part


def _is_dark_on_light(pixels: Raster) -> bool:
    """Ink on paper, or dark strokes on a transparent layer: where more than half is covered, the average is
    the ground; where less is, it is the ink."""
    peak = white(pixels.dtype)
    shown, mask = pixels, None
    covered = 1.0
    if pixels.shape[2] == 4:
        mask = (pixels[:, :, 3] > peak // 2).astype(np.uint8)
        covered = float(mask.mean())
        if covered == 0.0:
            return False
    light = float(np.mean(cv2.mean(shown, mask)[: 3 if pixels.shape[2] > 1 else 1])) / peak > 0.5
    return light if covered > 0.5 else not light


def _inverse_range(distances: Raster) -> tuple[float, float]:
    """1/farthest and 1/nearest, of the finite distances in front of the camera; (0, 0) if there are none."""
    nearest, farthest = np.inf, 0.0
    for start in range(0, distances.shape[0], _BAND_ROWS):
        band = distances[start : start + _BAND_ROWS]
        good = band[np.isfinite(band) & (band > 0.0)]
        if good.size:
            nearest, farthest = min(nearest, float(good.min())), max(farthest, float(good.max()))
    return (1.0 / farthest, 1.0 / nearest) if farthest > 0.0 else (0.0, 0.0)


def _nearness(distances: Raster, inverse: tuple[float, float]) -> FloatArray:
    """Inverse distance, 1 for the nearest and 0 for the farthest, as MiDaS gives it and ControlNets learned
    it. A background at a huge or infinite distance is black and takes nothing from the range of the rest."""
    low, high = inverse
    good = np.isfinite(distances) & (distances > 0.0)
    values = np.divide(1.0, distances, out=np.zeros(distances.shape, np.float32), where=good)
    if high <= low:
        return good.astype(np.float32)
    scaled = (to_float(values * np.float32(1.0 / high)) - np.float32(low / high)) / np.float32(
        1.0 - low / high
    )
    return np.clip(scaled, 0.0, 1.0, out=scaled)
