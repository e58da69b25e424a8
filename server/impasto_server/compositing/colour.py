"""Colour match by membrane: subtract the generated picture's cast, known only outside the mask, inside it.

Models and autoencoders shift tone, and the shift varies across the picture, so global statistics cannot
remove it (they leave ΔE00 2.3–3.1 on varying casts and harm clean pictures). The residual generated −
original is known on the unmasked pixels; blurred there and continued harmonically it is a good guess of the
shift under the mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from impasto_server.compositing.masks import BoolArray
from impasto_server.compositing.raster import FloatArray

# Working pixels. Measured: worst seam of texture 4.28 → 0.23, sky 1.32 → 0.08, flat art 2.45 → 0.39.
SIGMA_PX = 6.0
RING_PX = 40.0
# Pixels this far from the mask vote on whether the model painted across the border.
_CROSSING_PX = 12.0
# A low-pass residual this far from the one continued from further out is content, not cast.
_CROSSING_LEVEL = 0.06
# Share of these pixels that makes it worth telling: 2 % is an arc of 7°. Fewer cells tell nothing.
_CROSSING_SHARE = 0.02
_LEAST_RING = 16
# A low-pass residual of 0.2 (51 of 255) off the ring's median counts half, twice that hardly at all; the
# prior is the weight of the median itself.
_CONTENT_LEVEL = 0.2
_CONTENT_PRIOR = 0.02
# The boundary is blurred by 6 px, so the whole computation runs on cells of 2 px; small pictures are left
# whole.
_REDUCTION = 2
_LEAST_REDUCED = 64
# The cast's trend (plane and gain) is fitted to low-passed known cells, every third one each way.
_TREND_STEP = 3
_TREND_SWEEPS = 6
_LEAST_SAMPLES = 64
# It is used only where it explains the residual: for this percentage of the samples the deviation must fall
# below this share. Variations under a thousandth are left to the membrane.
_TREND_MAJORITY = 80
_TREND_EXPLAINS = 0.5
_TREND_LEAST = 1e-3
# And never trusted beyond this: real decoders' gains and ramps are a few per cent.
_TREND_LIMIT = 0.08
# The free pixels beside the mask vote after all when less than this share of the known ones would be left.
_LEAST_VOTERS = 0.25
# They agree with a cast continued from further out if they are as near to it as this (10 of 255): casts
# change slowly, and what differs more is content.
_AGREEMENT = 0.04
# Solver: the coarsest grid's side; sweeps on a grid of 512 px, rising as (512 / side)^1.5 to the bound; the
# sum of squared residuals that counts as solved.
_COARSEST = 8
_FINE_SIDE = 512
_FINE_SWEEPS = 5
_MOST_SWEEPS = 100
_SOLVED = 1e-10


@dataclass(frozen=True, eq=False)
class Membrane:
    """The shift to subtract, and what its boundary tells.

    shift:           (h, w, 3) float32, subtract it from the generated picture; 0 where nothing is known.
    crossing:        share 0..1 of the mask's surroundings where the model painted across the border.
    shadow_crosses:  whether that is enough to bleed: a larger mask would serve better.
    """

    shift: FloatArray
    crossing: float
    shadow_crosses: bool


def membrane(
    generated: FloatArray,
    original: FloatArray,
    unknown: BoolArray,
    *,
    free: BoolArray | None = None,
    sigma_px: float = SIGMA_PX,
    ring_px: float = RING_PX,
) -> Membrane:
    """Shift of ``generated`` against ``original``, both (h, w, 3), with ``unknown`` (h, w) under the mask.

    ``free`` (h, w) is where the sampler was let go: the mask and some pixels around it; default ``unknown``.
    Beside the mask it may have painted content there (an object that reaches across the border would tint the
    whole mask with its complement), so those pixels only vote where they agree with the ones it was held to.

    A plane and a gain that explain the known residual are taken out first. The rest, within ``ring_px`` of
    the mask, is blurred with ``sigma_px`` (normalised convolution over known pixels alone) and continued into
    the mask by Laplace's equation, with free ends at the picture's edge.
    """
    if unknown.all() or not unknown.any():
        return Membrane(np.zeros_like(generated), 0.0, False)
    step = _REDUCTION if min(unknown.shape) >= _LEAST_REDUCED else 1
    sigma, reach = sigma_px / step, ring_px / step
    held = ~_without_vote(unknown, free)
    residual = generated - original
    share = _reduced(held.astype(np.float32), step)
    painted = _known_part(generated, ~held, share, step)
    terms = _trend(_known_part(residual, ~held, share, step), painted, share, sigma)
    trend = np.zeros_like(residual) if terms is None else _trend_field(terms, generated)
    residual -= trend
    all_known = _reduced((~unknown).astype(np.float32), step)
    rest = _known_part(residual, unknown, all_known, step)
    smooth, _ = _known_low_pass(rest, all_known, sigma)
    field = _membrane_field(rest, share, sigma, reach)
    crossing = _crossing_share(smooth - field, all_known, _CROSSING_PX / step)
    if free is not None:
        agree = np.max(np.abs(smooth - field), axis=2) <= _AGREEMENT
        field = _membrane_field(rest, np.where(agree, all_known, share), sigma, reach)
    size = (unknown.shape[1], unknown.shape[0])
    shift = trend + cv2.resize(field, size, interpolation=cv2.INTER_LINEAR).reshape(generated.shape)
    return Membrane(shift, crossing, crossing >= _CROSSING_SHARE)


def _without_vote(unknown: BoolArray, free: BoolArray | None) -> BoolArray:
    """The pixels without a vote of their own: ``free``, or the mask alone if hardly any others were left."""
    if free is None:
        return unknown
    hole = unknown | free
    left = hole.size - np.count_nonzero(hole)
    return hole if left >= _LEAST_VOTERS * (unknown.size - np.count_nonzero(unknown)) else unknown


def _membrane_field(rest: FloatArray, share: FloatArray, sigma: float, reach: float) -> FloatArray:
    """The residual ``rest`` (h, w, 3), known by ``share`` (h, w), continued; 0 out of the ring's reach."""
    window = _window(share < 1.0, int(reach + 3 * sigma) + 1)
    field = np.zeros_like(rest)
    field[window] = _continued(rest[window], share[window], sigma, reach)
    return field


def _continued(residual: FloatArray, share: FloatArray, sigma: float, ring_reach: float) -> FloatArray:
    """The known residual low-passed over its ring and continued into the hole.

    residual: (h, w, 3). share: (h, w), how much of each cell is known. Lengths in cells.
    """
    outside = cv2.distanceTransform((share >= 1.0).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = np.where(outside <= ring_reach, share, np.float32(0.0))
    smooth, weight = _known_low_pass(residual, ring, sigma)
    smooth = _without_content(residual, smooth, ring, weight, sigma)
    hole = share <= 0.0
    return solve_laplace(smooth, hole) if hole.any() else smooth


def _crossing_share(deviation: FloatArray, share: FloatArray, reach: float) -> float:
    """Share of the mask's surroundings, ``reach`` cells, whose colour is off what pixels further out tell.

    deviation: (h, w, 3). share: (h, w), how much of each cell is outside the mask.
    """
    window = _window(share < 1.0, int(reach) + 1)
    known = share[window] >= 1.0
    outside = cv2.distanceTransform(known.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ring = (outside <= reach) & known
    if np.count_nonzero(ring) < _LEAST_RING:
        return 0.0
    return float(np.mean(np.max(np.abs(deviation[window][ring]), axis=1) > _CROSSING_LEVEL))


def _reduced(values: FloatArray, step: int) -> FloatArray:
    """(h, w[, c]) averaged over cells of ``step`` px."""
    size = (-(-values.shape[1] // step), -(-values.shape[0] // step))
    cells: FloatArray = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return cells


def _known_part(values: FloatArray, unknown: BoolArray, share: FloatArray, step: int) -> FloatArray:
    """Averages of the known pixels of (h, w, 3) in each cell; 0 in cells without any."""
    known = values.copy()
    known[unknown] = 0.0
    average = _reduced(known, step) / np.maximum(share, np.float32(1e-6))[:, :, None]
    return average.astype(np.float32, copy=False)


def _known_low_pass(values: FloatArray, ring: FloatArray, sigma_px: float) -> tuple[FloatArray, FloatArray]:
    """Normalised convolution of (h, w, c) over the ``ring`` (h, w), 0 out of its reach; and its weight."""
    weight = _blur(ring, sigma_px)
    smooth = _blur(values * ring[:, :, None], sigma_px)
    smooth *= (1.0 / np.maximum(weight, 1e-6))[:, :, None]
    smooth[weight < 1e-4] = 0.0
    return smooth, weight


def _without_content(
    residual: FloatArray, smooth: FloatArray, ring: FloatArray, weight: FloatArray, sigma_px: float
) -> FloatArray:
    """The low-passed residual with repainted content voted down towards the ring's median.

    An object that the model continued across the border is no cast; carried into the mask it would tint
    everything near by with its complement.
    """
    near = weight > 0.5
    centre = np.median(smooth[near], axis=0) if near.any() else np.zeros(residual.shape[2], dtype=np.float32)
    size = np.max(np.abs(smooth - centre), axis=2)
    vote = ring / (1.0 + (size * np.float32(1.0 / _CONTENT_LEVEL)) ** 6)
    votes = _blur(vote, sigma_px)
    lowered = _blur((residual - centre) * vote[:, :, None], sigma_px)
    lowered *= (1.0 / (votes + np.float32(_CONTENT_PRIOR) * weight + np.float32(1e-9)))[:, :, None]
    return lowered + centre


def _trend(
    residual: FloatArray, painted: FloatArray, share: FloatArray, sigma: float
) -> npt.NDArray[np.float32] | None:
    """Plane plus gain that explains the known residual: (4, 3) terms of `_trend_field`; None if nothing does.

    The membrane alone continues a cast as a constant where the mask touches the picture's edge, and knows
    nothing of a gain on colours that occur only under the mask. Fitted robustly (Cauchy weights, so repainted
    surroundings do not count), on low-passed values (so a decoder's blur is not taken for a gain), per
    channel, over the whole crop.
    """
    lattice = (slice(1, None, _TREND_STEP), slice(1, None, _TREND_STEP))
    voting = share[lattice] >= 1.0
    if int(voting.sum()) < _LEAST_SAMPLES:
        return None
    shifts = _known_low_pass(residual, share, sigma)[0][lattice][voting]
    colours = _known_low_pass(painted, share, sigma)[0][lattice][voting]
    down, across = (axis[lattice][voting] for axis in _positions(share.shape))
    plane = np.stack([np.ones(len(down)), down, across], axis=1)
    fits = [
        _explaining_fit(np.column_stack([plane, colours[:, channel]]), shifts[:, channel])
        for channel in range(painted.shape[2])
    ]
    terms = np.stack(fits, axis=1).astype(np.float32)
    return terms if terms.any() else None


def _trend_field(terms: npt.NDArray[np.float32], painted: FloatArray) -> FloatArray:
    """The shift (h, w, 3) that ``terms`` give: constant, down, across, and gain on the painted colour."""
    down, across = _positions(painted.shape[:2])
    plane = terms[0] + terms[1] * down[:, :, None] + terms[2] * across[:, :, None]
    field: FloatArray = plane + terms[3] * painted
    return field


def _positions(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Rows and columns as −1..1 from edge to edge, each (h, w): the same place at any resolution."""
    height, width = shape[0], shape[1]
    down = (np.arange(height, dtype=np.float32) + np.float32(0.5)) * np.float32(2.0 / height) - np.float32(
        1.0
    )
    across = (np.arange(width, dtype=np.float32) + np.float32(0.5)) * np.float32(2.0 / width) - np.float32(
        1.0
    )
    return np.broadcast_to(down[:, None], (height, width)), np.broadcast_to(across, (height, width))


def _explaining_fit(basis: npt.NDArray[np.float64], residual: FloatArray) -> npt.NDArray[np.float64]:
    """Robust coefficients of ``basis`` (n, k); zeros where they explain too little or are implausible."""
    target = residual.astype(np.float64)
    before = float(np.percentile(np.abs(target - np.median(target)), _TREND_MAJORITY))
    none = np.zeros(basis.shape[1])
    if before < _TREND_LEAST:
        return none
    # A ridge in units of the samples: directions the ring does not vary in stay at zero.
    ridge = np.diag([0.0, 1e-4, 1e-4, 1e-5]) * len(target)
    weight = np.ones(len(target))
    terms = none
    for _ in range(_TREND_SWEEPS):
        weighted = basis * weight[:, None]
        terms = np.linalg.solve(weighted.T @ basis + ridge, weighted.T @ target)
        off = np.abs(target - basis @ terms)
        spread = max(float(np.median(off)), 1e-4)
        weight = 1.0 / (1.0 + (off / (3.0 * spread)) ** 2)
    after = float(np.percentile(off, _TREND_MAJORITY))
    plausible = bool((np.abs(terms[1:]) <= _TREND_LIMIT).all())
    return terms if plausible and after <= _TREND_EXPLAINS * before else none


def solve_laplace(values: FloatArray, unknown: BoolArray) -> FloatArray:
    """``values`` (h, w, c) with ``unknown`` pixels replaced by the harmonic continuation of the known.

    Cascadic multigrid with conjugate gradients as the smoother (Deuflhard 1994): each level starts from the
    coarser solution, and coarser levels iterate more, so cost is linear in the pixels. The array's edge is
    free (zero normal derivative). Needs a known pixel. Within about 1 % of the data's range of the exact
    solution.
    """
    height, width = unknown.shape
    start = np.ascontiguousarray(values, dtype=np.float32).copy()
    side = max(height, width)
    if side > _COARSEST and min(height, width) > 1:
        small, known = _coarsened(values, unknown)
        fine = cv2.resize(solve_laplace(small, ~known), (width, height), interpolation=cv2.INTER_LINEAR)
        start[unknown] = fine.reshape(values.shape)[unknown]
    else:
        start[unknown] = values[~unknown].mean(axis=0)
    sweeps = min(max(round(_FINE_SWEEPS * (_FINE_SIDE / side) ** 1.5), _FINE_SWEEPS), _MOST_SWEEPS)
    return _conjugate_gradients(start, unknown, sweeps)


def _coarsened(values: FloatArray, unknown: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Half-size values averaged over known pixels, and which cells hold any."""
    size = ((unknown.shape[1] + 1) // 2, (unknown.shape[0] + 1) // 2)
    even = (size[0] * 2 - unknown.shape[1], size[1] * 2 - unknown.shape[0])
    weight = np.pad((~unknown).astype(np.float32), ((0, even[1]), (0, even[0])))
    padded = np.pad(values, ((0, even[1]), (0, even[0]), (0, 0)))
    share = weight.reshape(size[1], 2, size[0], 2).sum(axis=(1, 3))
    total = (padded * weight[:, :, None]).reshape(size[1], 2, size[0], 2, -1).sum(axis=(1, 3))
    return total / np.maximum(share, 1.0)[:, :, None], share > 0


def _conjugate_gradients(values: FloatArray, unknown: BoolArray, sweeps: int) -> FloatArray:
    """``sweeps`` steps towards every unknown pixel being the mean of its four neighbours; in place."""
    kernel = np.array([[0, -0.25, 0], [-0.25, 1, -0.25], [0, -0.25, 0]], dtype=np.float32)
    hole = unknown.astype(np.float32)[:, :, None]

    def laplacian(field: FloatArray) -> FloatArray:
        result = cv2.filter2D(field, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        inside: FloatArray = result.reshape(field.shape) * hole
        return inside

    residual = -laplacian(values)
    direction = residual.copy()
    power = np.einsum("ijk,ijk->k", residual, residual)
    for _ in range(sweeps):
        if float(power.max()) < _SOLVED:
            break
        image = laplacian(direction)
        length = power / np.maximum(np.einsum("ijk,ijk->k", direction, image), 1e-30)
        values += length * direction
        residual -= length * image
        before, power = power, np.einsum("ijk,ijk->k", residual, residual)
        direction *= power / np.maximum(before, 1e-30)
        direction += residual
    return values


def _window(unknown: BoolArray, margin: int) -> tuple[slice, slice]:
    rows = np.flatnonzero(unknown.any(axis=1))
    columns = np.flatnonzero(unknown.any(axis=0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )


def _blur(values: FloatArray, sigma: float) -> FloatArray:
    # Outside the picture nothing is known: a constant 0 has no weight in the normalised convolution.
    blurred: FloatArray = cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    return blurred
