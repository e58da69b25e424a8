"""Upscaling: a picture made larger, then repainted tile by tile for the detail that resampling cannot add.

Each tile is image to image at the model's native size, at the request's strength. Three things keep the tiles
from showing. Neighbours overlap by a quarter and are blended (`compositing.tiles`). The noise is drawn once
for the whole picture, so where two tiles overlap they start from the same noise and draw much the same. And
what is coarser than the tiles' detail, light and colour, is given back from the resampled picture: a model
shifts it a little, in each tile otherwise.

Only one row of tiles is held in float, whatever the size: 16 bytes times the picture's width times the
native size, 34 MB for a 4096 px wide picture of a 512 px model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from impasto_protocol.messages import GenerateRequest

from impasto_server.compositing.context import pad_to
from impasto_server.compositing.raster import FloatArray, Raster, as_hwc, quantise, to_float
from impasto_server.compositing.resample import resize
from impasto_server.compositing.tiles import TilePlan, plan_tiles, tile_weights
from impasto_server.engine.interface import Layer
from impasto_server.engine.layers import Canvas, make_layer, take
from impasto_server.engine.painting import Painting

# Share of a tile that the next one covers too: 16 latent cells at 512 px, 32 at 1024.
_OVERLAP = 4
# Standard deviation of the blur that tells light and colour from detail, as a share of a tile.
_COARSE = 16
_GRAIN = 8  # px averaged before that blur
# Transparent parts are shown to the model over white.
_BACKGROUND = 1.0
# Rows resampled together where no tiles are painted.
_STRIP_ROWS = 256


def upscale(painting: Painting, request: GenerateRequest, canvas: Canvas) -> Iterator[Layer]:
    """One layer of `request.width` × `request.height` for each take, as soon as it is painted, with the
    canvas' bit depth and its alpha resampled. Strength 0 resamples only.
    """
    size = (request.width, request.height)
    source = _Source.of(canvas.pixels, size)
    plan = _plan(painting, size)
    if request.strength > 0.0:
        painting.steps_planned = request.takes * len(plan.boxes) * painting.plan(request.strength).run
    painting.previews = False  # a single tile would be shown as if it were the picture
    for number in range(request.takes):
        recipe = take(request, number)
        strips = (
            _repainted(painting, source, plan, recipe)
            if recipe.strength > 0.0
            else _resampled(painting, source)
        )
        yield make_layer(painting, recipe, _layer(source, strips, canvas.pixels))


@dataclass(frozen=True, eq=False)
class _Source:
    """The picture, in float: colour (h, w, 3), or with its alpha (h, w, 4), multiplied by it so that hidden
    colours stay hidden. size: (width, height) of the result.
    """

    pixels: FloatArray
    size: tuple[int, int]

    @classmethod
    def of(cls, pixels: Raster, size: tuple[int, int]) -> _Source:
        given = to_float(as_hwc(pixels))
        if given.shape[2] == 1:
            given = np.repeat(given, 3, axis=2)
        if given.shape[2] == 4 and float(given[:, :, 3].min()) == 1.0:
            given = np.ascontiguousarray(given[:, :, :3])
        for channel in range(3 if given.shape[2] == 4 else 0):
            given[:, :, channel] *= given[:, :, 3]
        return cls(given, size)

    def rows(self, start: int, stop: int) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Rows of the enlarged picture, float32 0..1: its colour (n, W, 3), the same as it shows over white,
        and its alpha (n, W), None if it is opaque.
        """
        rows = resize(self.pixels, self.size, rows=(start, stop))
        if rows.shape[2] == 3:
            colour = np.clip(rows, 0.0, 1.0, out=rows)
            return colour, colour, None
        alpha = np.clip(rows[:, :, 3], 0.0, 1.0)
        shown = np.clip(rows[:, :, :3] + (np.float32(_BACKGROUND) - alpha[:, :, None]), 0.0, 1.0)
        colour = np.zeros_like(shown)
        np.divide(rows[:, :, :3], alpha[:, :, None], out=colour, where=alpha[:, :, None] > 0.0)
        return np.clip(colour, 0.0, 1.0, out=colour), shown, alpha


def _plan(painting: Painting, size: tuple[int, int]) -> TilePlan:
    """Tiles over the picture continued to the model's grid, so that all of them begin on it."""
    model = painting.model.source
    grid = model.family.grid
    native = model.info.native_px // grid * grid
    width, height = (-(-side // grid) * grid for side in size)
    return plan_tiles((width, height), (native, native), native // _OVERLAP, grid=grid)


def _resampled(painting: Painting, source: _Source) -> Iterator[tuple[int, FloatArray]]:
    """First row and (n, W, 3) of strips, as they show over white."""
    for start in range(0, source.size[1], _STRIP_ROWS):
        painting.gate.check()
        yield start, source.rows(start, min(start + _STRIP_ROWS, source.size[1]))[1]


def _repainted(
    painting: Painting, source: _Source, plan: TilePlan, recipe: GenerateRequest
) -> Iterator[tuple[int, FloatArray]]:
    """As `_resampled`, with new detail. `blend` of all tiles would give the same, and hold them all."""
    width, height = source.size
    tile_height = plan.tile[1]
    noise = _noise(painting, plan, recipe.seed)
    total = np.zeros((tile_height, plan.size[0], 3), np.float32)
    weight = np.zeros((tile_height, plan.size[0], 1), np.float32)
    for index, top in enumerate(plan.starts_y):
        shown = source.rows(top, min(top + tile_height, height))[1]
        band = pad_to(shown, (plan.size[0], tile_height))
        for box in plan.boxes:
            if box.y != top:
                continue
            columns = slice(box.x, box.right)
            share = tile_weights(plan, box)[:, :, None]
            total[:, columns] += share * _tile(painting, band[:, columns], noise.of(box.x, box.y), recipe)
            weight[:, columns] += share
        following = plan.starts_y[index + 1] if index + 1 < len(plan.starts_y) else plan.size[1]
        done = following - top
        painting.gate.report("compositing", painting.steps_done, painting.steps_planned)
        yield top, (total[:done] / weight[:done])[: height - top, :width]
        for kept in (total, weight):
            kept[: tile_height - done] = kept[done:].copy()
            kept[tile_height - done :] = 0.0


def _tile(painting: Painting, shown: FloatArray, noise: torch.Tensor, recipe: GenerateRequest) -> FloatArray:
    """One tile (h, w, 3), repainted, in the light and colours it had."""
    tile = np.ascontiguousarray(shown)
    latents = painting.from_picture(painting.encode(tile), recipe.strength, recipe.seed, noise=noise)
    painted = painting.decode(latents)
    coarse = _coarse(tile - painted)
    return np.clip(painted + coarse, 0.0, 1.0, out=coarse)


def _coarse(difference: FloatArray) -> FloatArray:
    """(h, w, 3) without its detail. Looked for at an eighth of the size, where there is none: much faster."""
    height, width = difference.shape[:2]
    small = cv2.resize(
        difference, (width // _GRAIN or 1, height // _GRAIN or 1), interpolation=cv2.INTER_AREA
    )
    spread = max(height, width) / (_COARSE * _GRAIN)
    smooth = cv2.GaussianBlur(small, (0, 0), spread, borderType=cv2.BORDER_REFLECT)
    larger: FloatArray = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC)
    return larger


@dataclass(frozen=True, eq=False)
class _Noise:
    """Of the whole picture, (1, C, H/f, W/f), drawn on the CPU: the same for every device."""

    whole: torch.Tensor
    tile: tuple[int, int]  # (width, height) in latent cells
    factor: int

    def of(self, x: int, y: int) -> torch.Tensor:
        left, top = x // self.factor, y // self.factor
        return self.whole[:, :, top : top + self.tile[1], left : left + self.tile[0]]


def _noise(painting: Painting, plan: TilePlan, seed: int) -> _Noise:
    factor = painting.model.source.family.latent_factor
    channels = int(painting.model.modules[painting.model.source.family.denoiser].config.in_channels)
    shape = (1, channels, plan.size[1] // factor, plan.size[0] // factor)
    whole = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))
    return _Noise(whole, (plan.tile[0] // factor, plan.tile[1] // factor), factor)


def _layer(source: _Source, strips: Iterator[tuple[int, FloatArray]], given: Raster) -> Raster:
    """The strips as a layer: RGB8 for 8-bit pictures without alpha, else RGBA of the picture's depth."""
    width, height = source.size
    kind = given.dtype
    has_alpha = given.ndim == 3 and given.shape[2] == 4
    pixels: Raster = np.empty((height, width, 4 if has_alpha or kind == np.uint16 else 3), kind)
    for start, shown in strips:
        part = pixels[start : start + shown.shape[0]]
        part[:, :, 3:] = np.iinfo(kind).max
        if source.pixels.shape[2] == 4:
            colour, before, alpha = source.rows(start, start + shown.shape[0])
            assert alpha is not None
            part[:, :, 3] = quantise(alpha, kind)
            shown = colour + (shown - before)  # what the model changed, without the white it saw
        part[:, :, :3] = quantise(shown, kind)
    return pixels
