"""What a training picture shows, and what its caption tells. Pure data, no pixels.

Coordinates are unit coordinates of a square picture (x right, y down), so one scene renders at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .words import (
    COLOURS,
    EXTRAS,
    GROUNDS,
    ICONS,
    MATERIALS,
    OBJECTS,
    PLACES,
    RELATIONS,
    SIZES,
    SURFACES,
    TIMES,
)


@dataclass(frozen=True)
class Item:
    """One object. `diameter` is the bounding diameter, `centre` in unit coordinates."""

    shape: str
    """One of `words.OBJECTS`, or of `words.ICONS`."""
    colour: str
    """One of `words.COLOURS`; empty for icons and where a material shows."""
    centre: tuple[float, float]
    diameter: float
    turn: float = 0.0
    """Rotation in radians. Captions name no angle: a few degrees, except in scenes for control images."""
    material: str = ""
    """One of `words.MATERIALS` where the object is made of it."""


@dataclass(frozen=True)
class Scene:
    """A picture to be: a background, its objects, one caption, and the attributes that the caption tells."""

    surface: str
    """One of `words.SURFACES`."""
    colour: str | None
    """Background colour of plain and gradient surfaces, also when the caption leaves it out."""
    items: tuple[Item, ...]
    caption: str
    seed: int
    """Everything random in the pixels (jitter, textures, crops) follows from it."""
    told: tuple[tuple[str, int], ...]
    """What the caption says, as (attribute, class); the text encoder learns to read these out."""
    ground: str = ""
    """Of landscapes, one of `words.GROUNDS`; of material surfaces, one of `words.MATERIALS`."""
    time: str = ""
    extras: tuple[str, ...] = ()


ATTRIBUTES: dict[str, int] = {
    "background": len(COLOURS) + 1,
    "colour": len(COLOURS) + 1,
    "shape": len(OBJECTS) + 1,
    "size": len(SIZES) + 1,
    "place": len(PLACES) + 1,
    "relation": len(RELATIONS) + 1,
    "other colour": len(COLOURS) + 1,
    "other shape": len(OBJECTS) + 1,
    "surface": len(SURFACES) + 1,
    "ground": len(GROUNDS) + 1,
    "time": len(TIMES) + 1,
    **dict.fromkeys(EXTRAS, 2),
    "material": len(MATERIALS) + 1,
    "skin": len(MATERIALS) + 1,
    "icon": len(ICONS) + 1,
}
"""Attribute → number of classes. Class 0 means that the caption does not say."""


def told_vector(scene: Scene) -> np.ndarray:
    """The caption's attributes as classes in the order of `ATTRIBUTES` → (len(ATTRIBUTES),) int64."""
    told = dict(scene.told)
    return np.array([told.get(name, 0) for name in ATTRIBUTES], dtype=np.int64)
