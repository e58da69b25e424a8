"""Inpainting: what `compositing.inpaint` plans and finishes, with a model in between.

The latents under the selection are let go pixel by pixel (differential diffusion), all others stay on the
picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from impasto_protocol.errors import OutOfMemory
from impasto_protocol.messages import GenerateRequest

from impasto_server.compositing.inpaint import InpaintPlan, WorkPass, finish_inpaint, hires_pass, plan_inpaint
from impasto_server.compositing.raster import FloatArray, Raster
from impasto_server.engine.interface import Layer
from impasto_server.engine.layers import Canvas, make_layer, take
from impasto_server.engine.painting import Painting
from impasto_server.families import Hint


def inpaint(painting: Painting, request: GenerateRequest, canvas: Canvas, mask: Raster) -> Iterator[Layer]:
    """One RGBA layer per take, of the canvas' bit depth, at the box it changes, as soon as it is painted.
    mask: (H, W), 0 keep, full repaint.

    Raises what `plan_inpaint` and `finish_inpaint` raise (`CompositingError`).
    """
    source = painting.model.source
    plan = plan_inpaint(
        canvas.pixels,
        mask,
        native=source.info.native_px,
        strength=request.strength,
        grid=source.family.grid,
        latent_factor=source.family.latent_factor,
        fill=request.fill,
    )
    if request.strength > 0.0:
        second = painting.plan(plan.hires_strength).run if plan.hires_size else 0
        painting.steps_planned = request.takes * (painting.plan(request.strength).run + second)
    for number in range(request.takes):
        recipe = take(request, number)
        generated = _repaint(painting, plan, recipe.seed) if request.strength > 0.0 else plan.base.image
        painting.gate.report("compositing", painting.steps_done, painting.steps_planned)
        result = finish_inpaint(plan, generated, seed=recipe.seed % 2**32)
        metrics = {name: float(value) for name, value in result.metrics.as_dict().items()}
        offset = (result.box.x, result.box.y)
        yield make_layer(painting, recipe, np.asarray(result.layer), offset, metrics)


def _repaint(painting: Painting, plan: InpaintPlan, seed: int) -> FloatArray:
    """The context with the selection repainted, (h, w, 3) float32 0..1, of the plan's first or second
    size.
    """
    first = _pass(painting, plan.base, plan.strength, seed, painting.guides.first(plan.crop))
    if plan.hires_size is None:
        return first
    try:
        hints = painting.guides.second(plan.crop)
        return _pass(painting, hires_pass(plan, first), plan.hires_strength, seed, hints)
    except OutOfMemory:
        painting.gate.report("saving memory", painting.steps_done, painting.steps_planned)
        return first


def _pass(
    painting: Painting, work: WorkPass, strength: float, seed: int, hints: Sequence[Hint]
) -> FloatArray:
    filled = painting.encode(work.filled)
    return painting.decode(painting.from_picture(filled, strength, seed, work.release, hints))
