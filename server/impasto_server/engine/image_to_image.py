"""Image to image: the whole picture repainted, more or less.

`strength` is the share of the noise schedule that is run: 0 gives the picture back bit for bit, 1 keeps
hardly anything. Sizes are chosen as in `generate`, with two differences. Up to strength 0.5 the picture
itself keeps the composition together, so the model works at the larger size at once. And what a picture loses
on the way to a
smaller working size is given back: the difference between it and its reduced copy is added to the result,
fully at strength 0 and not at all from 0.5 on, where it would show through as a ghost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from impasto_protocol.messages import GenerateRequest

from impasto_server.compositing.context import CropPlan, crop, paste
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, flatten, quantise, to_float
from impasto_server.engine.generate import hires_steps, second_pass, whole_canvas
from impasto_server.engine.interface import Layer
from impasto_server.engine.layers import Canvas, make_layer, take
from impasto_server.engine.painting import Painting
from impasto_server.families import Hint

# Above this strength a model redraws freely, and needs to see the whole at its native size.
_FREE_STRENGTH = 0.5
# Transparent parts are shown to the model over white.
_BACKGROUND = 1.0
_STRIP_ROWS = 256


def image_to_image(painting: Painting, request: GenerateRequest, canvas: Canvas) -> Iterator[Layer]:
    """One layer of the canvas' size for each take, as soon as it is painted.

    The layer has the canvas' own alpha, byte for byte; RGB8 for 8-bit pictures without one, gray ones
    included, and RGBA16 for 16-bit ones.
    """
    job = _plan(painting, canvas, request.strength)
    if request.strength > 0.0:
        passes = painting.plan(request.strength).run + (
            hires_steps(painting, job.geometry) if job.second else 0
        )
        painting.steps_planned = request.takes * passes
    for number in range(request.takes):
        recipe = take(request, number)
        pixels = _as_layer(canvas.pixels)
        if request.strength > 0.0:
            pixels = _repaint(painting, job, pixels, recipe)
        yield make_layer(painting, recipe, pixels)


@dataclass(frozen=True, eq=False)
class _Job:
    """first: the picture at the size of the first pass, (h, w, 3) float32 0..1, `content` of it not
    padding.
    """

    geometry: CropPlan
    canvas: Canvas
    first: FloatArray
    content: tuple[int, int]
    hints: Sequence[Hint]
    second: bool


def _plan(painting: Painting, canvas: Canvas, strength: float) -> _Job:
    geometry = whole_canvas(*canvas.size, painting)
    content, working, second = geometry.content, geometry.working, geometry.hires_working is not None
    guide = painting.guides.first
    if (
        strength <= _FREE_STRENGTH
        and geometry.hires_content is not None
        and geometry.hires_working is not None
    ):
        content, working, second = geometry.hires_content, geometry.hires_working, False
        guide = painting.guides.second
    first = crop(as_hwc(canvas.pixels), geometry.context, content, working, _BACKGROUND)
    return _Job(geometry, canvas, first, content, guide(geometry), second)


def _repaint(painting: Painting, job: _Job, pixels: Raster, recipe: GenerateRequest) -> Raster:
    """`pixels` (H, W, 3 or 4) with new colours."""
    first = painting.encode(job.first)
    latents = painting.from_picture(first, recipe.strength, recipe.seed, hints=job.hints)
    picture, content = painting.decode(latents), job.content
    if job.second:
        picture, content = second_pass(painting, picture, job.geometry, recipe.seed)
    painting.gate.report("compositing", painting.steps_done, painting.steps_planned)
    kept = max(0.0, 1.0 - recipe.strength / _FREE_STRENGTH) if job.content != job.canvas.size else 0.0
    width, height = job.canvas.size
    for y in range(0, height, _STRIP_ROWS):
        strip = Box(0, y, width, min(_STRIP_ROWS, height - y))
        colour = paste(picture, job.geometry.context, content, strip)
        if kept > 0.0:
            original = to_float(flatten(as_hwc(job.canvas.pixels)[strip.slices], _BACKGROUND))
            colour += np.float32(kept) * (
                original - paste(job.first, job.geometry.context, job.content, strip)
            )
        pixels[strip.slices][:, :, :3] = quantise(colour, pixels.dtype)
    return pixels


def _as_layer(pixels: Raster) -> Raster:
    """A copy of the canvas in a layer's format: the same samples, gray as three equal ones, alpha kept."""
    hwc = as_hwc(pixels)
    colour = np.repeat(hwc, 3, axis=2) if hwc.shape[2] == 1 else hwc
    if colour.shape[2] == 4 or colour.dtype == np.uint8:
        return colour.copy()
    opaque = np.full((*colour.shape[:2], 1), 65535, np.uint16)
    return np.concatenate([colour, opaque], axis=2)
