"""Text to image, and the second pass that large pictures of every kind share.

A model draws well near the size it was trained at and repeats itself far above it. So a picture whose mean
side is beyond 0.9 … 1.25 of the native size is painted near that size, then, where at least a quarter more
detail fits, enlarged and repainted at up to twice the native size with strength 0.4, and resampled to the
size asked for (`compositing.context.plan_crop` decides, as it does for inpainting). Within that range,
pictures are painted at their own size; sizes that are no multiple of 8 are rounded up and cropped at the
right and bottom.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from impasto_protocol.errors import OutOfMemory
from impasto_protocol.messages import GenerateRequest

from impasto_server.compositing.context import CropPlan, pad_to, paste, plan_crop
from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, Raster, quantise
from impasto_server.compositing.resample import resize
from impasto_server.engine.interface import Layer
from impasto_server.engine.layers import make_layer, take
from impasto_server.engine.painting import Painting

# Denoising strength of the second pass, as in inpainting: adds detail without redrawing.
HIRES_STRENGTH = 0.4
# Rows brought to the final size together: bounds the float copy of a 16k wide picture to 50 MB.
_STRIP_ROWS = 256


def text_to_image(painting: Painting, request: GenerateRequest) -> Iterator[Layer]:
    """One RGB8 layer of `request.width` × `request.height` for each take, as soon as it is painted."""
    geometry = whole_canvas(request.width, request.height, painting)
    painting.steps_planned = request.takes * (painting.steps + hires_steps(painting, geometry))
    for number in range(request.takes):
        recipe = take(request, number)
        latents = painting.from_noise(geometry.working, recipe.seed, painting.guides.first(geometry))
        picture = painting.decode(latents)
        picture, content = second_pass(painting, picture, geometry, recipe.seed)
        painting.gate.report("compositing", painting.steps_done, painting.steps_planned)
        yield make_layer(painting, recipe, _at_size(picture, content, geometry))


def whole_canvas(width: int, height: int, painting: Painting) -> CropPlan:
    """Working sizes for a whole picture of `width` × `height`."""
    source = painting.model.source
    return plan_crop(
        Box(0, 0, width, height),
        (width, height),
        native=source.info.native_px,
        strength=1.0,
        grid=source.family.grid,
    )


def hires_steps(painting: Painting, geometry: CropPlan) -> int:
    """Denoising steps of the second pass; 0 where there is none."""
    return painting.plan(HIRES_STRENGTH).run if geometry.hires_working is not None else 0


def second_pass(
    painting: Painting, picture: FloatArray, geometry: CropPlan, seed: int
) -> tuple[FloatArray, tuple[int, int]]:
    """A first pass' picture with more detail, and the (width, height) of it that is not padding.

    Without a second pass in the plan, or without the memory for one, the picture comes back as it is.
    """
    if geometry.hires_content is None or geometry.hires_working is None:
        return picture, geometry.content
    shown = np.ascontiguousarray(picture[: geometry.content[1], : geometry.content[0]])
    enlarged = pad_to(np.clip(resize(shown, geometry.hires_content), 0.0, 1.0), geometry.hires_working)
    try:
        hints = painting.guides.second(geometry)
        latents = painting.from_picture(painting.encode(enlarged), HIRES_STRENGTH, seed, hints=hints)
        return painting.decode(latents), geometry.hires_content
    except OutOfMemory:
        painting.gate.report("saving memory", painting.steps_done, painting.steps_planned)
        return picture, geometry.content


def _at_size(picture: FloatArray, content: tuple[int, int], geometry: CropPlan) -> Raster:
    """The finished picture, (H, W, 3) uint8, in strips of rows."""
    width, height = geometry.canvas
    pixels = np.empty((height, width, 3), np.uint8)
    for y in range(0, height, _STRIP_ROWS):
        strip = Box(0, y, width, min(_STRIP_ROWS, height - y))
        pixels[strip.slices] = quantise(paste(picture, geometry.context, content, strip), np.uint8)
    return pixels
