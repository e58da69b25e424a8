"""The measures of bars B3–B5: what a faulty but otherwise perfect model does to a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from impasto_server.compositing import InpaintMetrics, composite, finish_inpaint, hires_pass, plan_inpaint
from impasto_server.compositing.context import crop, paste
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.metrics import (
    boundary_gradient_ratio,
    delta_e_2000,
    gradient,
    percentile_95,
    seam_steps,
    signed_distance,
    srgb_to_lab,
)
from impasto_server.compositing.raster import quantise, to_float

from tests.compositing.scenes import ByteArray, FloatArray

Fault = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Bars:
    """Figures of one job, ours and of a hard paste of the same generated picture."""

    seam: float
    seam_hard: float
    inside: float
    edge: float
    edge_hard: float
    gradient_ratio: float
    share_of_crop: float
    arcs: int
    metrics: InpaintMetrics


def repaint(
    truth: FloatArray, mask: ByteArray, fault: Fault, *, native: int = 384, **options: object
) -> Bars:
    """Repaint a spoiled document with a model that draws the truth, but through ``fault``.

    The document shows something else deep inside the mask, so that nothing can be learnt from there.
    """
    return measure(truth, mask, *paint(truth, mask, fault, native=native, **options))


def spoiled(truth: FloatArray, mask: ByteArray) -> ByteArray:
    """The 8-bit document: the truth, with mid-tone stripes more than 10 px inside a hard mask.

    A soft selection shows what it covers, so there the document is the truth.
    """
    document = quantise(truth, np.uint8)
    depth = cv2.distanceTransform((mask > 0).view(np.uint8), cv2.DIST_L2, 5)
    rows = np.arange(truth.shape[0])[:, None] + 0 * depth
    if set(np.unique(mask)) <= {0, 255}:
        document[depth > 10] = np.where((rows // 5) % 2 == 0, 60, 190)[depth > 10][:, None]
    return document


def paint(
    truth: FloatArray, mask: ByteArray, fault: Fault, *, native: int, seed: int = 1, **options: object
) -> tuple[ByteArray, ByteArray, float, InpaintMetrics]:
    """Composed document, hard paste, the mask's share of the crop, and the reported metrics."""
    document = spoiled(truth, mask)
    plan = plan_inpaint(document, mask, native=native)
    geometry = plan.crop
    true_bytes = quantise(truth, np.uint8)

    def model(content: tuple[int, int], working: tuple[int, int]) -> FloatArray:
        return np.clip(fault(crop(true_bytes, geometry.context, content, working, 1.0)), 0.0, 1.0)

    content, generated = geometry.content, model(geometry.content, geometry.working)
    if geometry.hires_content is not None and geometry.hires_working is not None:
        hires_pass(plan, generated)
        content = geometry.hires_content
        generated = model(content, geometry.hires_working)
    result = finish_inpaint(plan, generated, seed=seed, **options)  # type: ignore[arg-type]
    ours = composite(document, result.layer, result.box.x, result.box.y)
    hard = document.copy()
    inside = mask[geometry.context.slices] > 0
    whole = paste(generated, geometry.context, content, geometry.context)
    hard[geometry.context.slices][inside] = quantise(whole, np.uint8)[inside]
    share = float((mask > 0).sum()) / geometry.context.area
    return ours, hard, share, result.metrics


def measure(
    truth: FloatArray,
    mask: ByteArray,
    ours: ByteArray,
    hard: ByteArray,
    share: float,
    metrics: InpaintMetrics,
) -> Bars:
    """B3 and B4 for ``ours`` and for ``hard``, against the truth."""
    true_bytes = quantise(truth, np.uint8)
    box = _surroundings(mask)
    mask, true_bytes, ours, hard = (array[box.slices] for array in (mask, true_bytes, ours, hard))
    signed = signed_distance(mask > 0)
    steps = seam_steps(ours, signed, true_bytes)
    edge = np.abs(signed) <= 1.5
    true_gradient = gradient(true_bytes)
    return Bars(
        seam=percentile_95(steps),
        seam_hard=percentile_95(seam_steps(hard, signed, true_bytes)),
        inside=low_pass_error(ours, true_bytes, mask > 0),
        edge=float(np.abs(gradient(ours) - true_gradient)[edge].mean()) if edge.any() else 0.0,
        edge_hard=float(np.abs(gradient(hard) - true_gradient)[edge].mean()) if edge.any() else 0.0,
        gradient_ratio=boundary_gradient_ratio(ours, signed, true_bytes),
        share_of_crop=share,
        arcs=int(steps.size),
        metrics=metrics,
    )


def low_pass_error(
    picture: npt.NDArray[np.generic], truth: npt.NDArray[np.generic], inside: npt.NDArray[np.bool_]
) -> float:
    """p95 of ΔE00 between the σ = 4 px low-passes of two pictures, over ``inside``."""
    low = [cv2.GaussianBlur(to_float(image), (0, 0), 4.0) for image in (picture, truth)]
    return percentile_95(delta_e_2000(srgb_to_lab(low[0][inside]), srgb_to_lab(low[1][inside])))


def _surroundings(mask: ByteArray) -> Box:
    rows, columns = np.nonzero(mask)
    box = Box(
        int(columns.min()),
        int(rows.min()),
        int(columns.max() - columns.min()) + 1,
        int(rows.max() - rows.min()) + 1,
    )
    return box.padded(40).clamped(mask.shape[1], mask.shape[0])
