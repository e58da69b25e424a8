"""From pixels to a result layer with its name and its recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from impasto_protocol.errors import BadImage
from impasto_protocol.messages import GenerateRequest, LayerInfo, Recipe
from impasto_protocol.rasters import PixelFormat

from impasto_server import __version__
from impasto_server.compositing.raster import Raster
from impasto_server.engine.interface import Input, Layer
from impasto_server.engine.memory import Tier
from impasto_server.engine.painting import Painting

# What fits a layer list without pushing the eye and the lock aside.
_NAME_CHARACTERS = 48
_FORMATS: Mapping[tuple[str, int], PixelFormat] = {
    ("uint8", 3): PixelFormat.RGB8,
    ("uint8", 4): PixelFormat.RGBA8,
    ("uint16", 4): PixelFormat.RGBA16,
}


@dataclass(frozen=True, eq=False)
class Canvas:
    """The picture a job paints on: pixels (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16, sRGB, straight
    alpha.
    """

    pixels: Raster

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]


def canvas_of(image: Input) -> Canvas:
    """Raises `BadImage` for a depth map: it is measured, not painted."""
    if image.ref.format is PixelFormat.DEPTH32F or image.pixels.dtype.kind == "f":
        raise BadImage(
            "A depth map cannot be painted on. Send the picture itself, with 8 or 16 bits a channel."
        )
    return Canvas(image.pixels)


def layer_name(prompt: str, fallback: str) -> str:
    """The prompt's beginning on one line, cut between words; `fallback` for an empty prompt."""
    words = re.sub(r"\s+", " ", "".join(letter if letter.isprintable() else " " for letter in prompt)).strip()
    if len(words) <= _NAME_CHARACTERS:
        return words or fallback
    cut = words[: _NAME_CHARACTERS - 1]
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut else cut}…"


def make_layer(
    painting: Painting,
    request: GenerateRequest,
    pixels: Raster,
    offset: tuple[int, int] = (0, 0),
    metrics: Mapping[str, float] | None = None,
) -> Layer:
    """A layer of `pixels` (h, w, 3 or 4) whose top left corner lies at `offset` (x, y) of the picture.

    `request` must have every choice made (`resolved`): it becomes the recipe.
    """
    name = layer_name(request.prompt, "Impasto")
    return named_layer(name, recipe_of(painting, request), pixels, offset, metrics)


def named_layer(
    name: str,
    recipe: Recipe,
    pixels: Raster,
    offset: tuple[int, int] = (0, 0),
    metrics: Mapping[str, float] | None = None,
) -> Layer:
    """As `make_layer`, with a name of its own."""
    contiguous = np.ascontiguousarray(pixels)
    height, width, channels = contiguous.shape
    info = LayerInfo(
        name=name,
        x=offset[0],
        y=offset[1],
        width=width,
        height=height,
        format=_FORMATS[(contiguous.dtype.name, channels)],
        recipe=recipe,
        metrics=dict(metrics or {}),
    )
    return Layer(info, contiguous)


def take(request: GenerateRequest, number: int) -> GenerateRequest:
    """The request of one take: seed, seed + 1, … wrapping at 2**63."""
    return replace(request, seed=(request.seed + number) % 2**63, takes=1)


def recipe_of(painting: Painting, request: GenerateRequest) -> Recipe:
    """`request` must have every choice made."""
    import diffusers  # only after `loading.quiet_and_offline`
    import torch

    model = painting.model
    software = {
        "impasto": __version__,
        "torch": str(torch.__version__),
        "diffusers": str(diffusers.__version__),
        "device": model.device,
    }
    if painting.tier is not Tier.FULL:
        software["memory"] = painting.tier.name.lower()  # tiles and slices change the last bits
    adapters = dict(painting.adaptation.digests)
    return Recipe(request, type(model.components.scheduler).__name__, model.digest, software, adapters)
