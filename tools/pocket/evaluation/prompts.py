"""Prompts whose combinations were never trained, as scenes: what the picture must show, and a true render.

Nothing here draws from the mixes that training runs on; only the vocabulary is shared.
"""

from __future__ import annotations

import math

import numpy as np

from tools.pocket import phrases
from tools.pocket.scene import Item, Scene
from tools.pocket.words import COLOURS, SHAPES, is_held_out

RELATIONS = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


def singles(count: int, seed: int = 1) -> list[Scene]:
    """One medium object near the middle of a plain background; shapes by turns, so each has its share."""
    rng = np.random.default_rng([seed, 101])
    scenes = []
    for index in range(count):
        shape = SHAPES[index % len(SHAPES)]
        colour, background = _held_out(rng, shape)
        x, y = 0.5 + rng.normal(0, 0.04, 2)
        item = Item(shape, colour, (float(x), float(y)), float(rng.uniform(0.36, 0.66)), _turn(rng))
        scenes.append(
            _scene(rng, f"{_named(rng, item)} {phrases.on_background(rng, background)}", background, item)
        )
    return scenes


def pairs(count: int, seed: int = 1) -> list[tuple[Scene, str]]:
    """Two objects in a relation, (scene, relation); one of them makes a held-out combination with the
    background. Relations come by turns.
    """
    rng = np.random.default_rng([seed, 102])
    scenes = []
    for index in range(count):
        relation = list(RELATIONS)[index % 4]
        shapes = [str(rng.choice(SHAPES)) for _ in range(2)]
        colour, background = _held_out(rng, shapes[0])
        other = str(rng.choice([name for name in COLOURS if name not in (colour, background)]))
        gap, drift = float(rng.uniform(0.42, 0.5)), float(rng.uniform(-0.06, 0.06))
        sign = -1 if relation in ("left", "above") else 1
        offset = np.array((drift, gap) if relation in ("above", "below") else (gap, drift)) * sign / 2
        first, second = (
            Item(shape, name, _point(0.5 + way * offset), float(rng.uniform(0.3, 0.4)), _turn(rng))
            for shape, name, way in zip(shapes, (colour, other), (1, -1), strict=True)
        )
        join = str(rng.choice(RELATIONS[relation]))
        caption = (
            f"{_named(rng, first)} {join} {_named(rng, second)} {phrases.on_background(rng, background)}"
        )
        scenes.append((_scene(rng, caption, background, first, second), relation))
    return scenes


def anywhere(count: int, seed: int = 1) -> list[Scene]:
    """One object of any size, turned any way, at a random place, of which the caption says nothing: a control
    image must decide those.
    """
    rng = np.random.default_rng([seed, 103])
    scenes = []
    for index in range(count):
        shape = SHAPES[index % len(SHAPES)]
        colour, background = _held_out(rng, shape)
        item = _thrown(rng, shape, colour, (0.25, 0.75))
        caption = f"{_named(rng, item)} {phrases.on_background(rng, background)}"
        scenes.append(_scene(rng, caption, background, item))
    return scenes


def off_centre(count: int, objects: int, seed: int = 1) -> list[Scene]:
    """Smaller objects that leave the middle of the picture free and do not touch each other, turned any way.

    Left to itself Pocket puts things in the middle, so whoever draws these has followed the control image.
    """
    rng = np.random.default_rng([seed, 110, objects])
    scenes: list[Scene] = []
    while len(scenes) < count:
        shape = SHAPES[len(scenes) % len(SHAPES)]
        colour, background = _held_out(rng, shape)
        items = [_thrown(rng, shape, colour, (0.25, 0.45))]
        if objects == 2:
            left = [name for name in COLOURS if name not in (colour, background)]
            items.append(_thrown(rng, str(rng.choice(SHAPES)), str(rng.choice(left)), (0.25, 0.45)))
            apart = math.dist(items[0].centre, items[1].centre)
            if apart < (items[0].diameter + items[1].diameter) / 2 + 0.03:
                continue
        if any(math.dist(item.centre, (0.5, 0.5)) < item.diameter / 2 + 0.05 for item in items):
            continue
        words = " and ".join(_named(rng, item) for item in items)
        scenes.append(_scene(rng, f"{words} {phrases.on_background(rng, background)}", background, *items))
    return scenes


def _held_out(rng: np.random.Generator, shape: str) -> tuple[str, str]:
    """(object colour, background) that make a held-out combination with the shape."""
    while True:
        colour, background = phrases.two_colours(rng)
        if is_held_out(colour, shape, background):
            return colour, background


def _thrown(rng: np.random.Generator, shape: str, colour: str, sizes: tuple[float, float]) -> Item:
    diameter = float(rng.uniform(*sizes))
    centre = rng.uniform(0.48 * diameter + 0.02, 0.98 - 0.48 * diameter, 2)
    return Item(shape, colour, _point(centre), diameter, float(rng.uniform(0, 2 * math.pi)))


def _scene(rng: np.random.Generator, caption: str, background: str, *items: Item) -> Scene:
    return Scene("plain", background, items, caption, int(rng.integers(2**31)), ())


def _named(rng: np.random.Generator, item: Item) -> str:
    return phrases.with_article(f"{phrases.spell(rng, item.colour)} {phrases.noun(rng, item.shape)}")


def _point(place: np.ndarray) -> tuple[float, float]:
    return float(place[0]), float(place[1])


def _turn(rng: np.random.Generator) -> float:
    return float(rng.normal(0, math.radians(3)))
