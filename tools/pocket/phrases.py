"""How captions are put into words, and the closing of a scene with its caption."""

from __future__ import annotations

import math

import numpy as np

from .scene import Item, Scene
from .words import COLOURS, SHAPE_NAMES, SPELLINGS

ASIDES: tuple[str, ...] = ("simple", "flat design", "high quality", "detailed", "minimal", "clean")
OPENINGS: tuple[str, ...] = (
    "a picture of ",
    "an image of ",
    "a drawing of ",
    "a painting of ",
    "an illustration of ",
)


def close(
    rng: np.random.Generator,
    surface: str,
    colour: str | None,
    items: tuple[Item, ...],
    caption: str,
    told: dict[str, int],
    *,
    dress: bool = True,
    ground: str = "",
    time: str = "",
    extras: tuple[str, ...] = (),
) -> Scene:
    """The scene; `dress` adds the words around a caption that people type and that mean nothing to Pocket."""
    if dress and rng.random() < 0.1:
        caption = str(rng.choice(OPENINGS)) + caption
    if dress and rng.random() < 0.1:
        caption += ", " + str(rng.choice(ASIDES))
    seed = int(rng.integers(2**31))
    return Scene(surface, colour, items, caption, seed, tuple(told.items()), ground, time, extras)


def two_colours(rng: np.random.Generator) -> tuple[str, str]:
    """Two different colours."""
    first, second = rng.choice(list(COLOURS), 2, replace=False)
    return str(first), str(second)


def small_turn(rng: np.random.Generator) -> float:
    """A few degrees of wobble, in radians."""
    return float(rng.normal(0, math.radians(3)))


def spell(rng: np.random.Generator, colour: str) -> str:
    """The colour's name, in one of its spellings."""
    return str(rng.choice(SPELLINGS[colour])) if colour in SPELLINGS else colour


def noun(rng: np.random.Generator, shape: str) -> str:
    """One of the shape's names."""
    return str(rng.choice(SHAPE_NAMES[shape])) if shape in SHAPE_NAMES else shape


def article(word: str) -> str:
    """`a` or `an`."""
    return "an" if word[0] in "aeiou" else "a"


def with_article(words: str) -> str:
    """The words behind their article."""
    return f"{article(words)} {words}"


def on_background(rng: np.random.Generator, colour: str) -> str:
    """ "on a red background", or shorter."""
    name = spell(rng, colour)
    long = f"on {with_article(name)} background"
    return str(rng.choice((long, long, f"on {name}")))
