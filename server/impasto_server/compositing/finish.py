"""From a colour-matched working-size picture to the layer, in canvas pixels.

Everything runs in strips of rows: a selection over a whole 16k canvas needs its layer and a few megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np

from impasto_server.compositing.composite import alpha_over, as_layer
from impasto_server.compositing.context import CropPlan, paste
from impasto_server.compositing.errors import EmptyMask
from impasto_server.compositing.geometry import Box, mask_bounds
from impasto_server.compositing.grain import (
    LEAST_SIGMA,
    grain_tile,
    measurable,
    measure_grain,
    missing_sigma,
    noise_sigma,
    tiled,
)
from impasto_server.compositing.masks import ALPHA_HALO_PX, composite_alpha, ramp_px
from impasto_server.compositing.metrics import (
    InpaintMetrics,
    boundary_gradient_ratio,
    percentile_95,
    seam_steps,
    signed_distance,
)
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, flatten, mask_values, to_float

# Pixels of one strip; its float colour takes 12 bytes each.
_STRIP_PIXELS = 1 << 20
# Grain is a statistic: a quarter of a megapixel in bands of rows is plenty.
_SAMPLE_PIXELS = 1 << 18
_SAMPLE_ROWS = 64
# Metrics look at every pixel up to this area, and at every n-th beyond it.
_METRIC_PIXELS = 1 << 22
# Surroundings that metrics need: two bands and the offset line.
_METRIC_MARGIN_PX = 24


@dataclass(frozen=True, eq=False)
class InpaintResult:
    """A layer to put over the document with normal alpha-over, and how good it is.

    box:     where the layer lies, in canvas pixels: exactly the pixels with alpha > 0 (else the mask's box).
    layer:   (box.height, box.width, 4) RGBA, unassociated alpha, of the document's dtype (uint8, uint16 or
             float32). Alpha is 0 wherever the artist's mask is 0.
    metrics: see `metrics.InpaintMetrics`; ``metrics.as_dict()`` is plain numbers for the wire.
    """

    box: Box
    layer: Raster
    metrics: InpaintMetrics


@dataclass(frozen=True, eq=False)
class Target:
    """Where a result goes: document and artist's mask (the whole canvas, not copied), and the geometry."""

    document: Raster
    mask: Raster
    crop: CropPlan
    background: float


def empty_result(target: Target) -> InpaintResult:
    """A fully transparent layer over the mask's box: nothing was to change."""
    bounds = target.crop.bounds
    layer = np.zeros((bounds.height, bounds.width, 4), dtype=target.document.dtype)
    return InpaintResult(bounds, layer, InpaintMetrics(changed=False))


def compose(
    target: Target,
    generated: FloatArray,
    content: tuple[int, int],
    *,
    seed: int,
    match_grain: bool,
    known_metrics: InpaintMetrics,
) -> InpaintResult:
    """The layer for ``generated`` (h, w, 3), whose ``content`` (width, height) shows the context.

    ``known_metrics`` carries what the colour step found; the rest is measured here.
    """
    noise, ratio = _grain(target, generated, content, seed) if match_grain else (None, 1.0)
    bounds = target.crop.bounds
    channels = as_hwc(target.document).shape[2]
    layer = np.zeros((bounds.height, bounds.width, 4), dtype=target.document.dtype)
    outside = 0
    for part in _strips(target.mask, bounds):
        colour = paste(generated, target.crop.context, content, part)
        if noise is not None:
            colour += tiled(noise, (part.y, part.bottom), (part.x, part.right))
        strip = as_layer(colour, _alpha(target, part), layer.dtype, channels)
        outside += int(np.count_nonzero(strip[:, :, 3][target.mask[part.slices] == 0]))
        layer[part.shifted(-bounds.x, -bounds.y).slices] = strip
    try:
        used = mask_bounds(layer[:, :, 3])
    except EmptyMask:
        return empty_result(target)
    trimmed = np.ascontiguousarray(layer[used.slices])
    box = used.shifted(bounds.x, bounds.y)
    metrics = replace(known_metrics, grain_ratio=ratio, pixels_changed_outside=outside)
    return InpaintResult(box, trimmed, _with_seam(target, trimmed, box, metrics))


def _strips(mask: Raster, bounds: Box) -> Iterator[Box]:
    """Strips of rows that cover ``bounds``, each as wide as what is selected in it; empty ones left out."""
    rows = max(_STRIP_PIXELS // bounds.width, 1)
    for y in range(bounds.y, bounds.bottom, rows):
        strip = Box(bounds.x, y, bounds.width, min(rows, bounds.bottom - y))
        selected = mask[strip.slices]
        if (selected > 0).any():
            yield mask_bounds(selected).shifted(strip.x, strip.y)


def _alpha(target: Target, part: Box) -> FloatArray:
    """Composite alpha of ``part``; equals the same part of the whole canvas' alpha."""
    halo = part.padded(ALPHA_HALO_PX).clamped(*target.crop.canvas)
    inside = part.shifted(-halo.x, -halo.y)
    alpha = composite_alpha(target.mask[halo.slices], ramp_px(target.crop.bounds))
    return np.ascontiguousarray(alpha[inside.slices])


def _grain(
    target: Target, generated: FloatArray, content: tuple[int, int], seed: int
) -> tuple[FloatArray | None, float]:
    """The noise tile to add (None if none is missing) and the ratio of noise inside to outside afterwards."""
    context = target.crop.context
    bands = list(_sample_bands(context))
    masks = np.concatenate([mask_values(target.mask[band.slices]) for band in bands])
    document = as_hwc(target.document)
    pictures = [flatten(document[band.slices], target.background) for band in bands]
    original = np.concatenate([to_float(picture) for picture in pictures])
    grain = measure_grain(original, masks == 0.0)
    if grain is None:
        return None, 1.0
    painted = np.concatenate([paste(generated, context, content, band) for band in bands])
    selected = masks >= 0.5
    inside = noise_sigma(painted, selected)
    missing = missing_sigma(grain, inside)
    tile: FloatArray | None = None
    after = inside
    if measurable(selected) and float(missing.max()) >= LEAST_SIGMA:
        tile = grain_tile(grain, missing, seed)
        noise = np.concatenate([tiled(tile, (b.y, b.bottom), (b.x, b.right)) for b in bands])
        # Deviations of a median add like squares only for Gaussian detail; one measured correction covers the
        # rest.
        gained = noise_sigma(painted + noise, selected) ** 2 - inside**2
        tile *= np.clip(missing / np.sqrt(np.maximum(gained, 1e-12)), 0.5, 2.0)
        noise = np.concatenate([tiled(tile, (b.y, b.bottom), (b.x, b.right)) for b in bands])
        after = noise_sigma(painted + noise, selected)
    return tile, float(after.mean() / grain.sigma.mean()) if measurable(selected) else 1.0


def _sample_bands(context: Box) -> Iterator[Box]:
    """The whole context, or evenly spaced bands of 64 rows with about a quarter of a megapixel in all."""
    if context.area <= _SAMPLE_PIXELS:
        yield context
        return
    rows = min(_SAMPLE_ROWS, context.height)
    count = min(max(_SAMPLE_PIXELS // (rows * context.width), 4), context.height // rows)
    for index in range(count):
        y = context.y + (context.height - rows) * index // max(count - 1, 1)
        yield Box(context.x, y, context.width, rows)


def _with_seam(target: Target, layer: Raster, box: Box, metrics: InpaintMetrics) -> InpaintMetrics:
    """``metrics`` completed with what is seen along the border of the composed picture."""
    area = target.crop.bounds.padded(_METRIC_MARGIN_PX).clamped(*target.crop.canvas)
    stride = ceil(sqrt(area.area / _METRIC_PIXELS))
    thin = (slice(None, None, stride), slice(None, None, stride))
    full = _thinned_layer(layer, box, area, stride)
    below = np.ascontiguousarray(as_hwc(target.document)[area.slices][thin])
    picture = flatten(alpha_over(below, full), target.background)
    signed = signed_distance(target.mask[area.slices][thin] > 0)
    return replace(
        metrics,
        seam_delta_e=percentile_95(seam_steps(picture, signed)),
        surroundings_delta_e=percentile_95(seam_steps(picture, signed - 6.0)),
        boundary_gradient_ratio=boundary_gradient_ratio(picture, signed),
    )


def _thinned_layer(layer: Raster, box: Box, area: Box, stride: int) -> Raster:
    """Every ``stride``-th pixel of ``area`` from a layer at ``box``; transparent where the layer is not."""
    full = np.zeros((-(-area.height // stride), -(-area.width // stride), 4), dtype=layer.dtype)
    offset_y, offset_x = (area.y - box.y) % stride, (area.x - box.x) % stride
    part = layer[offset_y::stride, offset_x::stride]
    y, x = (box.y + offset_y - area.y) // stride, (box.x + offset_x - area.x) // stride
    full[y : y + part.shape[0], x : x + part.shape[1]] = part
    return full
