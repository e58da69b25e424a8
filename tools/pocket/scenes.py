"""Scenes: what a training picture shows and the captions that are true of it. Pure data, no pixels.

Coordinates are unit coordinates of a square picture (x right, y down), so one scene renders at any size.
`sample(rng, mix)` draws a scene; `render.picture(scene, size_px)` paints it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .words import (
    COLOURS,
    EXTRAS,
    GROUNDS,
    OBJECTS,
    PLACES,
    RELATIONS,
    SHAPE_NAMES,
    SHAPES,
    SIZE_NAMES,
    SIZES,
    SPELLINGS,
    SURFACES,
    TIMES,
    is_held_out,
)


@dataclass(frozen=True)
class Item:
    """One object. `diameter` is the bounding diameter, `centre` in unit coordinates."""

    shape: str
    colour: str
    centre: tuple[float, float]
    diameter: float
    turn: float = 0.0
    """Rotation in radians, a few degrees of wobble at most: captions name no angle."""


@dataclass(frozen=True)
class Scene:
    """A picture to be: a background, its objects, one caption, and the attributes that the caption tells."""

    surface: str
    colour: str | None
    """Background colour of plain and gradient surfaces, also when the caption leaves it out."""
    items: tuple[Item, ...]
    caption: str
    seed: int
    """Everything random in the pixels (jitter, textures, crops) follows from it."""
    told: tuple[tuple[str, int], ...]
    """What the caption says, as (attribute, class); the text encoder learns to read these out."""
    ground: str = ""
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
}
"""Attribute → number of classes. Class 0 means that the caption does not say."""

MIXES: dict[str, dict[str, float]] = {
    "shapes": {"named": 0.72, "unnamed": 0.2, "colour": 0.08},
    "broad": {
        "named": 0.32,
        "unnamed": 0.14,
        "photograph": 0.22,
        "pair": 0.12,
        "colour": 0.08,
        "landscape": 0.12,
    },
}
"""Share of each kind of scene. Training begins on `shapes`: the words for shapes are learned there first."""

ASIDES: tuple[str, ...] = ("simple", "flat design", "high quality", "detailed", "minimal", "clean")
OPENINGS: tuple[str, ...] = (
    "a picture of ",
    "an image of ",
    "a drawing of ",
    "a painting of ",
    "an illustration of ",
)


def sample(rng: np.random.Generator, mix: str = "broad", held_out: bool = False) -> Scene:
    """Draw a scene. With `held_out` a named single shape of the combinations that training never sees."""
    if held_out:
        return _named(rng, held_out=True)
    kinds = MIXES[mix]
    kind = str(rng.choice(list(kinds), p=list(kinds.values())))
    return _DRAW[kind](rng)


def told_vector(scene: Scene) -> np.ndarray:
    """The caption's attributes as classes in the order of `ATTRIBUTES` → (len(ATTRIBUTES),) int64."""
    told = dict(scene.told)
    return np.array([told.get(name, 0) for name in ATTRIBUTES], dtype=np.int64)


def _named(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """One object on a plain background whose colour the caption names."""
    while True:
        colour, background = _two_colours(rng)
        shape = str(rng.choice(SHAPES)) if held_out or rng.random() < 0.93 else "ball"
        if is_held_out(colour, shape, background) == held_out:
            break
    item, words, told = _one_object(rng, shape, colour, plain=held_out)
    surface = "plain" if held_out or rng.random() < 0.85 else "gradient"
    name = _spell(rng, background)
    endings = (
        f"on {_article(name)} {name} background",
        f"on {_article(name)} {name} background",
        f"on {name}",
    )
    caption = f"{words} {rng.choice(endings)}"
    told["background"] = 1 + list(COLOURS).index(background)
    return _scene(rng, surface, background, (item,), caption, told, dress=not held_out)


def _unnamed(rng: np.random.Generator) -> Scene:
    """One object; the caption says nothing of the background, so a plain red answer is wrong."""
    while True:
        colour, background = _two_colours(rng)
        shape = str(rng.choice(OBJECTS))
        if not is_held_out(colour, shape, background):
            break
    item, words, told = _one_object(rng, shape, colour)
    surface = str(rng.choice(("plain", "gradient", "texture"), p=(0.45, 0.3, 0.25)))
    if surface == "texture" and rng.random() < 0.3:
        words += " on a texture"
        told["surface"] = 1 + SURFACES.index("texture")
    return _scene(rng, surface, background, (item,), words, told)


def _photograph(rng: np.random.Generator) -> Scene:
    """An object on a crop of a real photograph, so that inpainting on photographs is in the training data."""
    colour = str(rng.choice(list(COLOURS)))
    chance = rng.random()
    if chance < 0.08:
        caption = str(rng.choice(("a photograph", "a photo", "")))
        told = {"surface": 1 + SURFACES.index("photograph")} if caption else {}
        return _scene(rng, "photograph", None, (), caption, told, dress=False)
    shape = "ball" if chance < 0.45 else str(rng.choice(SHAPES))
    item, words, told = _one_object(rng, shape, colour)
    if rng.random() < 0.4:
        words += str(rng.choice((" in a photo", " in a photograph", " on a table", " on a photo")))
        told["surface"] = 1 + SURFACES.index("photograph")
    return _scene(rng, "photograph", None, (item,), words, told)


def _pair(rng: np.random.Generator) -> Scene:
    """Two objects in a relation, on a plain background."""
    while True:
        background, first, second = (str(name) for name in rng.choice(list(COLOURS), 3, replace=False))
        shapes = [str(name) for name in rng.choice(SHAPES, 2)]
        if not (is_held_out(first, shapes[0], background) or is_held_out(second, shapes[1], background)):
            break
    relation = str(rng.choice(RELATIONS, p=(0.2, 0.25, 0.25, 0.15, 0.15)))
    diameters = rng.uniform(0.28, 0.42, 2)
    gap, drift = float(rng.uniform(0.4, 0.5)), float(rng.uniform(-0.08, 0.08))
    upright = relation in ("above", "below") or (relation == "and" and rng.random() < 0.25)
    sign = -1.0 if relation in ("left", "above", "and") else 1.0
    offset = np.array((drift, gap) if upright else (gap, drift)) * sign * 0.5
    middle = rng.uniform(0.47, 0.53, 2)
    places = (middle + offset, middle - offset)
    items = tuple(
        Item(
            shapes[i],
            (first, second)[i],
            (float(places[i][0]), float(places[i][1])),
            float(diameters[i]),
            _turn(rng),
        )
        for i in range(2)
    )
    nouns = [f"{_an(rng, _spell(rng, item.colour))} {_noun(rng, item.shape)}" for item in items]
    joins = {
        "and": ("and", "next to", "beside"),
        "left": ("to the left of", "left of"),
        "right": ("to the right of", "right of"),
        "above": ("above", "over"),
        "below": ("below", "under"),
    }
    caption = f"{nouns[0]} {rng.choice(joins[relation])} {nouns[1]}"
    colours, objects = list(COLOURS), list(OBJECTS)
    told = {
        "colour": 1 + colours.index(first),
        "shape": 1 + objects.index(shapes[0]),
        "other colour": 1 + colours.index(second),
        "other shape": 1 + objects.index(shapes[1]),
        "relation": 1 + RELATIONS.index(relation),
    }
    if rng.random() < 0.7:
        name = _spell(rng, background)
        caption += f" on {_article(name)} {name} background"
        told["background"] = 1 + colours.index(background)
    return _scene(rng, "plain", background, items, caption, told)


def _colour(rng: np.random.Generator) -> Scene:
    """A colour alone, as a painter types it to fill a selection."""
    colour = str(rng.choice(list(COLOURS)))
    name = _spell(rng, colour)
    captions = (name, name, f"{_article(name)} {name} background", f"plain {name}", f"{name} paint")
    surface = "plain" if rng.random() < 0.6 else "gradient"
    return _scene(
        rng,
        surface,
        colour,
        (),
        str(rng.choice(captions)),
        {"background": 1 + list(COLOURS).index(colour)},
        dress=False,
    )


def _landscape(rng: np.random.Generator) -> Scene:
    """A ground under a sky, with what the hour allows: sun, moon, stars, clouds, mountains."""
    ground, time = str(rng.choice(GROUNDS)), str(rng.choice(TIMES))
    possible = {"day": ("sun", "clouds"), "sunset": ("sun", "clouds"), "night": ("moon", "stars")}[time]
    extras = tuple(name for name in possible if rng.random() < 0.5)
    if rng.random() < 0.35:
        extras += ("mountains",)
    places = {
        "sea": ("the sea", "the ocean", "a calm sea"),
        "hills": ("green hills", "hills", "rolling hills"),
        "field": ("a field", "a yellow field", "a wheat field"),
        "desert": ("a desert", "sand dunes", "the desert"),
        "snow": ("snow", "a snowy landscape", "snowy hills"),
    }
    times = {
        "day": ("by day", "under a blue sky", "in daylight"),
        "sunset": ("at sunset", "at dusk", "under an orange sky"),
        "night": ("at night", "under a night sky", "in the dark"),
    }
    caption = f"{rng.choice(places[ground])} {rng.choice(times[time])}"
    names = {
        "sun": "the sun",
        "moon": "a moon",
        "stars": "stars",
        "clouds": "clouds",
        "mountains": "mountains",
    }
    if extras:
        caption += " with " + " and ".join(names[name] for name in extras)
    told = {
        "surface": 1 + SURFACES.index("landscape"),
        "ground": 1 + GROUNDS.index(ground),
        "time": 1 + TIMES.index(time),
        **dict.fromkeys(extras, 1),
    }
    scene = _scene(rng, "landscape", None, (), caption, told)
    return Scene(**{**scene.__dict__, "ground": ground, "time": time, "extras": extras})


_DRAW = {
    "named": _named,
    "unnamed": _unnamed,
    "photograph": _photograph,
    "pair": _pair,
    "colour": _colour,
    "landscape": _landscape,
}


def _one_object(
    rng: np.random.Generator, shape: str, colour: str, plain: bool = False
) -> tuple[Item, str, dict[str, int]]:
    """An object, the words for it, and what they tell. `plain`: a medium object near the middle, no size or
    place.
    """
    told = {"colour": 1 + list(COLOURS).index(colour), "shape": 1 + OBJECTS.index(shape)}
    size = str(rng.choice(list(SIZES))) if rng.random() < 0.25 and not plain else ""
    place = str(rng.choice(list(PLACES))) if rng.random() < 0.2 and not plain else ""
    low, high = SIZES.get(size, (0.32, 0.7))
    diameter = float(rng.uniform(low, high))
    if place:
        diameter = min(diameter, 0.48)
        centre = tuple(np.array(PLACES[place]) + rng.normal(0, 0.02, 2))
        told["place"] = 1 + list(PLACES).index(place)
    elif plain or rng.random() < 0.5:
        centre = tuple(0.5 + rng.normal(0, 0.04, 2))
    else:
        room = max(0.0, 1 - diameter * 1.05) / 2
        centre = tuple(0.5 + rng.uniform(-room, room, 2))
    words = _spell(rng, colour)
    if size:
        words = f"{rng.choice(SIZE_NAMES[size])} {words}"
        told["size"] = 1 + list(SIZES).index(size)
    article = _an(rng, words) if rng.random() < 0.85 or plain else words
    words = f"{article} {_noun(rng, shape)}" + (f" {place}" if place else "")
    return Item(shape, colour, (float(centre[0]), float(centre[1])), diameter, _turn(rng)), words, told


def _scene(
    rng: np.random.Generator,
    surface: str,
    colour: str | None,
    items: tuple[Item, ...],
    caption: str,
    told: dict[str, int],
    dress: bool = True,
) -> Scene:
    """Close a scene; `dress` adds the words around a caption that people type and that mean nothing to
    Pocket.
    """
    if dress and rng.random() < 0.1:
        caption = str(rng.choice(OPENINGS)) + caption
    if dress and rng.random() < 0.1:
        caption += ", " + str(rng.choice(ASIDES))
    return Scene(surface, colour, items, caption, int(rng.integers(2**31)), tuple(told.items()))


def _two_colours(rng: np.random.Generator) -> tuple[str, str]:
    first, second = rng.choice(list(COLOURS), 2, replace=False)
    return str(first), str(second)


def _turn(rng: np.random.Generator) -> float:
    return float(rng.normal(0, math.radians(3)))


def _spell(rng: np.random.Generator, colour: str) -> str:
    return str(rng.choice(SPELLINGS[colour])) if colour in SPELLINGS else colour


def _noun(rng: np.random.Generator, shape: str) -> str:
    return str(rng.choice(SHAPE_NAMES[shape])) if shape in SHAPE_NAMES else shape


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _an(rng: np.random.Generator, words: str) -> str:
    return f"{_article(words)} {words}"
