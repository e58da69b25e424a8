"""The six materials: procedural textures in unit coordinates, and the captions of scenes that show them.

A texture is (size, size, 3) sRGB uint8. `field`, the noise all of them are made of, is the same picture at
any size.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import figures, phrases
from .scene import Item, Scene
from .words import COLOURS, MADE_OF, MATERIAL_NAMES, MATERIALS, OBJECTS, SHAPES, SURFACES

Octaves = tuple[tuple[int, int, float], ...]
"""(columns, rows, weight) of the random grids that are summed."""


def sample(rng: np.random.Generator) -> Scene:
    """A material that fills the picture, lies behind an object, or is what the object is made of."""
    chance = rng.random()
    if chance < 0.4:
        material = str(rng.choice(MATERIALS))
        told = {"surface": 1 + SURFACES.index("material"), "material": 1 + MATERIALS.index(material)}
        caption = str(rng.choice(MATERIAL_NAMES[material]))
        return phrases.close(rng, "material", None, (), caption, told, ground=material)
    if chance < 0.7:
        material = str(rng.choice(MATERIALS))
        item, words, told = figures.one_object(rng, str(rng.choice(OBJECTS)), str(rng.choice(list(COLOURS))))
        told["material"] = 1 + MATERIALS.index(material)
        caption = f"{words} on {rng.choice(MATERIAL_NAMES[material])}"
        return phrases.close(rng, "material", None, (item,), caption, told, ground=material)
    material = str(rng.choice(list(MADE_OF)))
    background = str(rng.choice(list(COLOURS)))
    shape = "ball" if rng.random() < 0.5 else str(rng.choice(SHAPES))
    x, y = 0.5 + rng.uniform(-0.1, 0.1, 2)
    item = Item(
        shape, "", (float(x), float(y)), float(rng.uniform(0.4, 0.75)), phrases.small_turn(rng), material
    )
    caption = f"{phrases.with_article(MADE_OF[material])} {phrases.noun(rng, shape)}"
    told = {"skin": 1 + MATERIALS.index(material), "shape": 1 + OBJECTS.index(shape)}
    if rng.random() < 0.75:
        caption += " " + phrases.on_background(rng, background)
        told["background"] = 1 + list(COLOURS).index(background)
    return phrases.close(rng, "plain", background, (item,), caption, told)


def texture(name: str, rng: np.random.Generator, size_px: int) -> np.ndarray:
    """The material, as large as the picture → (size, size, 3) sRGB uint8."""
    y, x = (np.mgrid[:size_px, :size_px] + 0.5).astype(np.float32) / size_px
    pixels = _TEXTURES[name](rng, x, y)
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def field(rng: np.random.Generator, size_px: int, octaves: Octaves) -> np.ndarray:
    """Smooth noise about zero, standard deviation about one → (size, size) float32."""
    total = np.zeros((size_px, size_px), np.float32)
    for columns, rows, weight in octaves:
        grid = Image.fromarray(rng.normal(0, 1, (rows, columns)).astype(np.float32))
        total += weight * np.asarray(grid.resize((size_px, size_px), Image.Resampling.BICUBIC))
    return total / float(np.sqrt(sum(weight**2 for _, _, weight in octaves)))


def _shade(colour: tuple[float, float, float], light: np.ndarray) -> np.ndarray:
    """The colour under a light of 0…1+ → (H, W, 3)."""
    return np.asarray(colour, np.float32) * light[:, :, None]


def _wood(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if rng.random() < 0.5:
        x, y = y, x
        turned = True
    else:
        turned = False
    size, planks = len(x), int(rng.integers(3, 6))
    across = y * planks
    plank = np.minimum(across.astype(int), planks - 1)
    tone = rng.normal(1.0, 0.1, planks).astype(np.float32)[plank]
    grain = field(rng, size, ((3, 30, 0.8), (5, 70, 0.6)))
    if turned:
        grain = grain.T
    rings = np.sin(2 * np.pi * (2.5 * across + 0.9 * field(rng, size, ((3, 3, 1.0),))))
    edge = np.abs(across - np.round(across)) / planks
    light = tone * (1 + 0.08 * grain + 0.07 * rings) * np.where(edge < 0.007, 0.45, 1.0)
    return _shade((0.68, 0.45, 0.24), light)


def _brick(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size, rows = len(x), int(rng.integers(5, 9))
    down = y * rows + rng.random()
    row = down.astype(int)
    along = x * rows / 2.2 + 0.5 * (row % 2) + rng.random()
    brick = along.astype(int)
    tone = rng.normal(1.0, 0.13, (rows + 2, rows + 2)).astype(np.float32)[row, brick]
    mortar = (np.abs(down - np.round(down)) < 0.07) | (np.abs(along - np.round(along)) < 0.035)
    light = tone * (1 + 0.06 * field(rng, size, ((24, 24, 1.0), (60, 60, 0.7))))
    wall = _shade((0.70, 0.30, 0.22), light)
    return np.where(mortar[:, :, None], np.float32(0.78) * (0.97 + 0.03 * light)[:, :, None], wall)


def _stone(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    size, cells = len(x), int(rng.integers(4, 7))
    corner = np.stack(np.meshgrid(np.arange(-1, cells + 1), np.arange(-1, cells + 1)), -1).reshape(-1, 2)
    points = ((corner + rng.uniform(0.15, 0.85, corner.shape)) / cells).astype(np.float32)
    distance = np.full((2, *x.shape), 9.0, np.float32)
    nearest = np.zeros(x.shape, int)
    for index, (px, py) in enumerate(points):
        own = np.hypot((x - px) * 0.8, y - py)
        closer = own < distance[0]
        distance[1] = np.where(closer, distance[0], np.minimum(distance[1], own))
        distance[0] = np.where(closer, own, distance[0])
        nearest[closer] = index
    tone = rng.normal(0.62, 0.07, len(points)).astype(np.float32)[nearest]
    joint = np.clip((distance[1] - distance[0]) * cells * 7, 0.35, 1)
    light = tone * joint * (1 + 0.07 * field(rng, size, ((20, 20, 1.0), (50, 50, 1.0))))
    return _shade((1.0, 0.98, 0.94), light)


def _grass(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    blades = field(rng, len(x), ((40, 14, 1.0), (64, 24, 1.0), (6, 6, 0.5)))
    light = (0.5 + 0.5 * np.tanh(0.9 * blades))[:, :, None]
    dark, bright = np.array([0.10, 0.30, 0.07], np.float32), np.array([0.42, 0.70, 0.20], np.float32)
    return dark + (bright - dark) * light


def _metal(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    turn = rng.uniform(-0.5, 0.5)
    sheen = np.cos(2 * np.pi * (0.8 * (x + turn * y) + rng.random()))
    brushed = field(rng, len(x), ((3, 60, 1.0), (4, 100, 1.0)))
    light = 0.66 + 0.14 * sheen + 0.035 * brushed
    return _shade((0.96, 0.98, 1.02), light)


def _water(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    warp = field(rng, len(x), ((4, 6, 1.0), (8, 12, 0.6)))
    waves = np.sin(2 * np.pi * (9 * y + 0.45 * warp + 0.6 * np.sin(5 * x + 6 * rng.random())))
    ripples = field(rng, len(x), ((8, 22, 1.0), (16, 44, 0.8)))
    crest = np.clip(0.5 + 0.3 * waves + 0.3 * ripples, 0, 1.2)[:, :, None]
    deep, bright = np.array([0.05, 0.30, 0.55], np.float32), np.array([0.55, 0.83, 0.93], np.float32)
    return deep + (bright - deep) * crest * crest


_TEXTURES = {
    "wood": _wood,
    "brick": _brick,
    "stone": _stone,
    "grass": _grass,
    "metal": _metal,
    "water": _water,
}
