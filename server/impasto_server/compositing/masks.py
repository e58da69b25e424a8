"""The masks of one inpaint job, all made from the artist's.

* *denoise mask*, working size: the artist's, its core hardened. What the model may change.
* *release mask*, latent size: the same for differential diffusion. When each latent is let go.
* *composite alpha*, canvas size: the artist's, ramping inwards only. What reaches the document.

None reaches beyond the artist's: a feather that straddles the border flatters edge metrics while it changes
thousands of pixels she did not select.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, Raster, mask_values
from impasto_server.compositing.resample import cover

BoolArray = npt.NDArray[np.bool_]

# Inward ramp of the composite, canvas pixels: the longest, the shortest, and the share of the selection's
# shorter side between them. What fills a small selection must not get a blurred rim.
RAMP_PX = 8.0
_SHORTEST_RAMP_PX = 2.0
_RAMP_OF_SIDE = 1.0 / 40.0
# A ramp is never longer than half of the local half-width, else a thin stroke would never become opaque.
_RAMP_SHARE = 0.5
_LOCAL_PX = 16
# Rows beyond a strip that decide its alpha: the local half-width is looked up 16 px away and matters up to
# 16 px.
ALPHA_HALO_PX = 40
# What a reduction may round to nothing is still selected.
_LEAST = 1.0 / 255.0
# Latents free in fewer of the steps stay too near the picture to count as repainted.
_RELEASED = 0.25
# Few steps cannot draw a soft edge: a 32 px ramp becomes 8 px rings at 4 steps.
_HARD_STEPS = 4
_TWO_LEVEL_STEPS = 8


def working_masks(mask: Raster, content: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """The artist's mask at working size: (soft values, every pixel that any selected pixel touches).

    mask: the context part of the artist's mask (H, W). content: (width, height) in working pixels.
    Soft values are averages (float32 0..1); the second is bool and never loses a thin selection.
    """
    height, width = mask.shape
    if content == (width, height):
        soft = mask_values(mask)
    else:
        # Only 8-bit, 16-bit and float are known to OpenCV; bool is shown to it as bytes without a copy.
        plain = mask.view(np.uint8) * np.uint8(255) if mask.dtype.kind == "b" else mask
        plain = plain.astype(np.float32) if plain.dtype.kind == "f" else plain
        shrinks = content[0] <= width and content[1] <= height
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        soft = mask_values(cv2.resize(np.ascontiguousarray(plain), content, interpolation=how))
    return soft, cover(mask > 0, content)


def denoise_mask(soft: FloatArray, touched: BoolArray) -> FloatArray:
    """Where the model may repaint, (h, w) float32 0..1, from `working_masks`.

    1 on the selection's core (at least half of its strongest value), the selection's own softness elsewhere,
    and more than 0 wherever it touches a pixel.
    """
    strongest = float(soft.max()) if soft.size else 0.0
    core = touched & (soft >= 0.5 * strongest) if strongest > 0.0 else touched
    # A selection thinner than a working pixel averages to almost nothing; hard-edged slivers count as core.
    core = core if core.any() else touched
    denoise: FloatArray = np.where(touched, np.maximum(soft, _LEAST), 0.0).astype(np.float32)
    denoise[core] = 1.0
    return denoise


def release_mask(denoise: FloatArray, latent_factor: int) -> FloatArray:
    """``denoise`` (h, w) at latent resolution, (h / f, w / f): its strongest value in each cell of which at
    least half is selected, 0 in the others.

    Not a cell more than is selected: what the model paints beyond is thrown away, so an object that fills
    all it may paint on would be cut at the selection's edge.
    Cells less than half selected keep the pre-fill, never the old content. Where a selection is thinner than
    a cell, every cell it touches is released.
    """
    height, width = denoise.shape
    cells = denoise.reshape(height // latent_factor, latent_factor, width // latent_factor, latent_factor)
    strongest = cells.max(axis=(1, 3))
    solid = (cells > 0.0).mean(axis=(1, 3), dtype=np.float32) >= 0.5
    near_solid = cv2.dilate(solid.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return np.where(solid | ~near_solid, strongest, 0.0).astype(np.float32)


def reach_mask(release: FloatArray, touched: BoolArray, latent_factor: int) -> BoolArray:
    """(h, w) bool: pixels that may have become something else: where the decoder looks at released cells.

    Those of every cell that is released in at least a quarter of the steps, and a cell further: a latent
    tints its neighbours' pixels.
    """
    free = (release >= _RELEASED).view(np.uint8)
    grown = cv2.dilate(free, np.ones((3, 3), np.uint8))
    pixels = np.repeat(np.repeat(grown, latent_factor, axis=0), latent_factor, axis=1).astype(bool)
    reached: BoolArray = pixels | touched
    return reached


def levelled(release: FloatArray, steps: int) -> FloatArray:
    """``release`` with as many levels as ``steps`` can draw: soft above 8, {0, ½, 1} above 4, else {0, 1}."""
    if steps > _TWO_LEVEL_STEPS:
        return release
    if steps > _HARD_STEPS:
        two: FloatArray = (np.floor(release * np.float32(3.0)).clip(0, 2) * np.float32(0.5)).astype(
            np.float32
        )
        return two
    return (release >= 0.5).astype(np.float32)


def release_thresholds(steps: int) -> FloatArray:
    """(steps,) float32, falling: after step i a latent is free when its release value is at least the i-th.

    1 − (i + ½) / steps: a value of 1 is free from the first step, 0 never, and v spends the share v of the
    steps free (differential diffusion, Levin and Fried 2023, centred so that no value is biased by half a
    step).
    """
    if steps < 1:
        raise ValueError(f"a sampling pass has at least one step, not {steps}")
    return (1.0 - (np.arange(steps) + 0.5) / steps).astype(np.float32)


def hold_known(
    latents: FloatArray, known: FloatArray, release: FloatArray, step: int, steps: int
) -> FloatArray:
    """Latents after ``step`` (0-based), with those not yet released put back on the known picture.

    latents: (..., h, w) after the scheduler's step. release: (h, w), levelled for ``steps``.
    known:   the same shape as latents, the known picture *at the noise level these latents now have*:
             ``add_noise(z0, eps, timesteps[step + 1])`` with one fixed eps, and plain ``z0`` at the end.
             Taking the timestep of ``step`` instead leaves fringes (diffusers #3749).
    """
    return np.where(release >= release_thresholds(steps)[step], latents, known)


def ramp_px(bounds: Box) -> float:
    """The composite's ramp for a selection with these bounds, canvas pixels."""
    return min(max(min(bounds.width, bounds.height) * _RAMP_OF_SIDE, _SHORTEST_RAMP_PX), RAMP_PX)


def composite_alpha(mask: Raster, ramp_px: float = RAMP_PX) -> FloatArray:
    """Opacity of the result over the document, (H, W) float32 0..1; exactly 0 wherever ``mask`` is 0.

    Ramps from the selection's border inwards over ``ramp_px`` canvas pixels, less where the selection is
    thin. A soft selection is only ever lowered to that ramp, so its own softness stays. The canvas' edge is
    no border.
    """
    values = mask_values(mask)
    inside = (values > 0.0).view(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Half-widths up to 16 px matter; in eighths of a pixel they fit a byte, and the byte filter is 10×
    # faster.
    eighths = np.minimum(distance * np.float32(8.0), np.float32(255.0)).astype(np.uint8)
    window = np.ones((2 * _LOCAL_PX + 1, 2 * _LOCAL_PX + 1), dtype=np.uint8)
    half_width = cv2.dilate(eighths, window).astype(np.float32) * np.float32(0.125) - np.float32(0.5)
    ramp = np.clip(half_width * np.float32(_RAMP_SHARE), 0.25, ramp_px)
    np.minimum(values, (distance - np.float32(0.5)) / ramp, out=values)
    values[inside == 0] = 0.0
    return values
