"""Drawing scenes at random: the mixes of kinds that the trainings run on.

`sample(rng, mix)` draws a scene; `render.picture(scene, size_px)` paints it, `hints` draws its control
images.
"""

from __future__ import annotations

import numpy as np

from . import figures, icons, landscapes, materials
from .scene import ATTRIBUTES, Item, Scene, told_vector

__all__ = ["ATTRIBUTES", "KINDS", "MIXES", "Item", "Scene", "sample", "told_vector"]

KINDS = {
    "named": figures.named,
    "unnamed": figures.unnamed,
    "anywhere": figures.anywhere,
    "over": figures.over,
    "photograph": figures.photograph,
    "pair": figures.pair,
    "colour": figures.colour_alone,
    "landscape": landscapes.sample,
    "material": materials.sample,
    "icon": icons.sample,
}
"""Kind of scene → what draws one at random."""

MIXES: dict[str, dict[str, float]] = {
    "shapes": {"named": 0.72, "unnamed": 0.2, "colour": 0.08},
    "figures": {"named": 0.5, "pair": 0.28, "unnamed": 0.16, "colour": 0.06},
    "broad": {
        "named": 0.1,
        "unnamed": 0.06,
        "pair": 0.06,
        "colour": 0.04,
        "photograph": 0.22,
        "landscape": 0.17,
        "material": 0.15,
        "icon": 0.2,
    },
    "over": {"over": 1.0},
    "icons": {"icon": 1.0},
    "control": {
        "anywhere": 0.45,
        "pair": 0.08,
        "landscape": 0.3,
        "over": 0.05,
        "photograph": 0.03,
        "material": 0.03,
        "icon": 0.06,
    },
    "pencil": {"named": 0.4, "pair": 0.15, "photograph": 0.1, "landscape": 0.2, "icon": 0.15},
}
"""Share of each kind of scene. Training begins on `shapes`, where the words for shapes are learned, goes on
with `figures`, which adds pairs, and then with `broad`, which has everything; `over` and `icons` are what is
learned slowest, to give more of it. ControlNets train on `control`,
the LoRA of a style on the mix of its name.
"""


def sample(rng: np.random.Generator, mix: str = "broad", held_out: bool = False) -> Scene:
    """Draw a scene of a mix; icons are left out where none are loaded. With `held_out` a named single shape
    of the combinations that training never sees.
    """
    if held_out:
        return figures.named(rng, held_out=True)
    shares = {kind: share for kind, share in MIXES[mix].items() if kind != "icon" or icons.available()}
    shares = shares or {"named": 1.0}
    weights = np.array(list(shares.values()))
    return KINDS[str(rng.choice(list(shares), p=weights / weights.sum()))](rng)
