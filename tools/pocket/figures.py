"""Scenes of one or two plain objects: what their captions say, where they stand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from . import landscapes, phrases
from .scene import Item, Scene
from .words import (
    COLOURS,
    OBJECTS,
    PLACES,
    RELATIONS,
    SHAPE_WEIGHTS,
    SHAPES,
    SIZE_NAMES,
    SIZES,
    SURFACES,
    is_held_out,
)

_SHARES = np.array([SHAPE_WEIGHTS.get(shape, 1.0) for shape in OBJECTS])
_SHARES /= _SHARES.sum()

_JOINS = {
    "and": ("and", "next to", "beside"),
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


def named(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """One object on a plain background whose colour the caption names. With `held_out` a medium one near the
    middle, of the combinations that training never sees.
    """
    while True:
        colour, background = phrases.two_colours(rng)
        shape = str(rng.choice(SHAPES)) if held_out else str(rng.choice(OBJECTS, p=_SHARES))
        if is_held_out(colour, shape, background) == held_out:
            break
    item, words, told = one_object(rng, shape, colour, plain=held_out)
    surface = "plain" if held_out or rng.random() < 0.85 else "gradient"
    told["background"] = _class(COLOURS, background)
    caption = f"{words} {phrases.on_background(rng, background)}"
    return phrases.close(rng, surface, background, (item,), caption, told, dress=not held_out)


def unnamed(rng: np.random.Generator) -> Scene:
    """One object; the caption says nothing of the background, so a plain red answer is wrong."""
    colour, shape, background = _trained(rng)
    item, words, told = one_object(rng, shape, colour)
    surface = str(rng.choice(("plain", "gradient", "texture"), p=(0.45, 0.3, 0.25)))
    if surface == "texture" and rng.random() < 0.3:
        words += " on a texture"
        told["surface"] = _class(SURFACES, "texture")
    return phrases.close(rng, surface, background, (item,), words, told)


def anywhere(rng: np.random.Generator) -> Scene:
    """One object of any size, turned any way, at any place, of which the caption says nothing: for training
    on control images, which decide those.
    """
    colour, shape, background = _trained(rng)
    diameter = float(rng.uniform(0.22, 0.85))
    room = max(0.0, 1 - diameter * 0.9) / 2
    x, y = 0.5 + rng.uniform(-room, room, 2)
    turn = float(rng.uniform(0, 2 * math.pi)) if rng.random() < 0.7 else phrases.small_turn(rng)
    told = {"colour": _class(COLOURS, colour), "shape": _class(OBJECTS, shape)}
    caption = phrases.with_article(f"{phrases.spell(rng, colour)} {phrases.noun(rng, shape)}")
    if rng.random() < 0.75:
        caption += " " + phrases.on_background(rng, background)
        told["background"] = _class(COLOURS, background)
    surface = "plain" if rng.random() < 0.8 else "gradient"
    item = Item(shape, colour, (float(x), float(y)), diameter, turn)
    return phrases.close(rng, surface, background, (item,), caption, told)


def photograph(rng: np.random.Generator) -> Scene:
    """An object on a crop of a real photograph, so that inpainting on photographs is in the training data."""
    colour = str(rng.choice(list(COLOURS)))
    chance = rng.random()
    if chance < 0.08:
        caption = str(rng.choice(("a photograph", "a photo", "")))
        told = {"surface": _class(SURFACES, "photograph")} if caption else {}
        return phrases.close(rng, "photograph", None, (), caption, told, dress=False)
    shape = "ball" if chance < 0.3 else str(rng.choice(SHAPES))
    item, words, told = one_object(rng, shape, colour)
    if rng.random() < 0.4:
        words += str(rng.choice((" in a photo", " in a photograph", " on a table", " on a photo")))
        told["surface"] = _class(SURFACES, "photograph")
    return phrases.close(rng, "photograph", None, (item,), words, told)


def over(rng: np.random.Generator) -> Scene:
    """One object anywhere over a landscape, a photograph or a plain background that the caption does not
    name: what inpainting into such a picture asks for.
    """
    chance = rng.random()
    colour, shape, background = _trained(rng)
    diameter = float(rng.uniform(0.38, 0.64))
    room = max(0.0, 1 - diameter * 1.05) / 2
    x, y = 0.5 + rng.uniform(-room, room, 2)
    item = Item(shape, colour, (float(x), float(y)), diameter, phrases.small_turn(rng))
    told = {"colour": _class(COLOURS, colour), "shape": _class(OBJECTS, shape)}
    caption = phrases.with_article(f"{phrases.spell(rng, colour)} {phrases.noun(rng, shape)}")
    if chance < 0.5:
        behind = landscapes.sample(rng)
        return replace(behind, items=(item,), caption=caption, told=tuple(told.items()))
    surface = "photograph" if chance < 0.7 else "plain" if chance < 0.85 else "gradient"
    return phrases.close(rng, surface, background, (item,), caption, told)


def pair(rng: np.random.Generator) -> Scene:
    """Two objects in a relation, on a plain background."""
    while True:
        background, first, second = (str(name) for name in rng.choice(list(COLOURS), 3, replace=False))
        shapes = [str(rng.choice(OBJECTS)) for _ in range(2)]
        if not any(
            is_held_out(colour, shape, background)
            for colour, shape in zip((first, second), shapes, strict=True)
        ):
            break
    relation = str(rng.choice(RELATIONS))
    diameters = rng.uniform(0.28, 0.42, 2)
    gap, drift = float(rng.uniform(0.4, 0.5)), float(rng.uniform(-0.08, 0.08))
    upright = relation in ("above", "below") or (relation == "and" and rng.random() < 0.25)
    sign = -1.0 if relation in ("left", "above", "and") else 1.0
    offset = np.array((drift, gap) if upright else (gap, drift)) * sign * 0.5
    middle = rng.uniform(0.47, 0.53, 2)
    items = tuple(
        Item(shape, colour, (float(x), float(y)), float(diameter), phrases.small_turn(rng))
        for shape, colour, (x, y), diameter in zip(
            shapes, (first, second), (middle + offset, middle - offset), diameters, strict=True
        )
    )
    nouns = [
        phrases.with_article(f"{phrases.spell(rng, item.colour)} {phrases.noun(rng, item.shape)}")
        for item in items
    ]
    caption = f"{nouns[0]} {rng.choice(_JOINS[relation])} {nouns[1]}"
    told = {
        "colour": _class(COLOURS, first),
        "shape": _class(OBJECTS, shapes[0]),
        "other colour": _class(COLOURS, second),
        "other shape": _class(OBJECTS, shapes[1]),
        "relation": _class(RELATIONS, relation),
    }
    if rng.random() < 0.7:
        caption += f" on {phrases.with_article(phrases.spell(rng, background))} background"
        told["background"] = _class(COLOURS, background)
    return phrases.close(rng, "plain", background, items, caption, told)


def colour_alone(rng: np.random.Generator) -> Scene:
    """A colour alone, as a painter types it to fill a selection."""
    colour = str(rng.choice(list(COLOURS)))
    name = phrases.spell(rng, colour)
    captions = (name, name, f"{phrases.with_article(name)} background", f"plain {name}", f"{name} paint")
    surface = "plain" if rng.random() < 0.6 else "gradient"
    told = {"background": _class(COLOURS, colour)}
    return phrases.close(rng, surface, colour, (), str(rng.choice(captions)), told, dress=False)


def one_object(
    rng: np.random.Generator, shape: str, colour: str, plain: bool = False
) -> tuple[Item, str, dict[str, int]]:
    """An object, the words for it, and what they tell. `plain`: a medium object near the middle, no size or
    place.
    """
    told = {"colour": _class(COLOURS, colour), "shape": _class(OBJECTS, shape)}
    size = str(rng.choice(list(SIZES))) if rng.random() < 0.25 and not plain else ""
    place = str(rng.choice(list(PLACES))) if rng.random() < 0.2 and not plain else ""
    low, high = SIZES.get(size, (0.32, 0.7))
    diameter = float(rng.uniform(low, high))
    if place:
        diameter = min(diameter, 0.48)
        x, y = np.array(PLACES[place]) + rng.normal(0, 0.02, 2)
        told["place"] = _class(PLACES, place)
    elif plain or rng.random() < 0.5:
        x, y = 0.5 + rng.normal(0, 0.04, 2)
    else:
        room = max(0.0, 1 - diameter * 1.05) / 2
        x, y = 0.5 + rng.uniform(-room, room, 2)
    words = phrases.spell(rng, colour)
    if size:
        words = f"{rng.choice(SIZE_NAMES[size])} {words}"
        told["size"] = _class(SIZES, size)
    if rng.random() < 0.85 or plain:
        words = phrases.with_article(words)
    words = f"{words} {phrases.noun(rng, shape)}" + (f" {place}" if place else "")
    return Item(shape, colour, (float(x), float(y)), diameter, phrases.small_turn(rng)), words, told


def _trained(rng: np.random.Generator) -> tuple[str, str, str]:
    """(colour, shape, background) of a combination that may be trained."""
    while True:
        colour, background = phrases.two_colours(rng)
        shape = str(rng.choice(OBJECTS, p=_SHARES))
        if not is_held_out(colour, shape, background):
            return colour, shape, background


def _class(names, name: str) -> int:
    """The class of an attribute's value: its place in the vocabulary, counted from 1."""
    return 1 + list(names).index(name)
