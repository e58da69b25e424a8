"""Landscapes: a ground under a sky with what the hour allows, laid out as layers from far to near."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cairocffi as cairo
import numpy as np

from . import phrases
from .scene import Scene
from .words import EXTRAS, GROUNDS, RGB, SURFACES, TIMES

SUN = (0.99, 0.9, 0.55)
SKIES = {
    "day": ((0.30, 0.55, 0.92), (0.74, 0.87, 0.98)),
    "sunset": ((0.36, 0.22, 0.50), (0.98, 0.58, 0.26)),
    "night": ((0.02, 0.03, 0.12), (0.10, 0.13, 0.30)),
}
LANDS = {
    "sea": (0.10, 0.38, 0.60),
    "hills": (0.24, 0.55, 0.20),
    "field": (0.84, 0.72, 0.26),
    "desert": (0.88, 0.68, 0.42),
    "snow": (0.93, 0.95, 0.98),
}
SHADE = {"day": 1.0, "sunset": 0.72, "night": 0.34}
"""How much light the ground gets at each time of day."""

_PLACES = {
    "sea": ("the sea", "the ocean", "a calm sea"),
    "hills": ("green hills", "hills", "rolling hills"),
    "field": ("a field", "a yellow field", "a wheat field"),
    "desert": ("a desert", "sand dunes", "the desert"),
    "snow": ("snow", "a snowy landscape", "snowy hills"),
}
_TIMES = {
    "day": ("by day", "under a blue sky", "in daylight"),
    "sunset": ("at sunset", "at dusk", "under an orange sky"),
    "night": ("at night", "under a night sky", "in the dark"),
}
_NAMES = {
    "sun": "the sun",
    "moon": "a moon",
    "stars": "stars",
    "clouds": "clouds",
    "mountains": "mountains",
    "house": "a house",
    "boat": "a boat",
    "tree": "a tree",
}
_HOURS = {"day": ("sun", "clouds"), "sunset": ("sun", "clouds"), "night": ("moon", "stars")}

Depth = tuple[float, float, float, float]
"""(depth at the top, depth at the bottom, top, bottom): 0 far, 1 near, changing evenly from top to bottom."""


@dataclass(frozen=True)
class Layer:
    """One region of a landscape: its path, its one colour or gradient, and how near it is."""

    path: Callable[[cairo.Context], None]
    paint: RGB | tuple[RGB, RGB, float, float]
    """A colour, or (at the top, at the bottom, top, bottom) of a vertical gradient."""
    depth: Depth

    def fill(self, context: cairo.Context) -> None:
        """Paint the region."""
        if len(self.paint) == 3:
            context.set_source_rgb(*self.paint)
        else:
            upper, lower, top, bottom = self.paint
            gradient = cairo.LinearGradient(0, top, 0, bottom)
            gradient.add_color_stop_rgb(0, *upper)
            gradient.add_color_stop_rgb(1, *lower)
            context.set_source(gradient)
        context.new_path()
        self.path(context)
        context.fill()


def sample(rng: np.random.Generator) -> Scene:
    """A landscape and its caption."""
    ground, time = str(rng.choice(GROUNDS)), str(rng.choice(TIMES))
    extras = tuple(name for name in _HOURS[time] if rng.random() < 0.5)
    if rng.random() < 0.35:
        extras += ("mountains",)
    chance = rng.random()
    if ground == "sea":
        extras += ("boat",) if chance < 0.5 else ()
    elif chance < 0.6:
        extras += ("house",) if chance < 0.3 else ("tree",)
    told = {
        "surface": 1 + SURFACES.index("landscape"),
        "ground": 1 + GROUNDS.index(ground),
        "time": 1 + TIMES.index(time),
        **dict.fromkeys(extras, 1),
    }
    here, now = str(rng.choice(_PLACES[ground])), str(rng.choice(_TIMES[time]))
    thing = next((name for name in extras if name in ("house", "boat", "tree")), None)
    if thing and rng.random() < 0.5:
        on = f"on {here}" if ground != "hills" else "on green hills"
        caption = f"{_NAMES[thing]} {on} {now}"
        others = [name for name in extras if name != thing]
    else:
        caption, others = f"{here} {now}", list(extras)
    if others:
        caption += " with " + " and ".join(_NAMES[name] for name in others)
    return phrases.close(rng, "landscape", None, (), caption, told, ground=ground, time=time, extras=extras)


def layers(scene: Scene, rng: np.random.Generator) -> list[Layer]:
    """The regions of a landscape scene, far ones first."""
    horizon = float(rng.uniform(0.5, 0.66))
    light = SHADE[scene.time]
    top, bottom = (_jitter(rng, colour) for colour in SKIES[scene.time])
    found = [Layer(_box(0, 0, 1, 1), (top, bottom, 0, horizon), (0, 0, 0, 1))]
    for name in EXTRAS[:5]:
        if name in scene.extras:
            found += _FAR[name](rng, scene, horizon, light)
    found.append(_ground(rng, scene, horizon, light))
    for name in EXTRAS[5:]:
        if name in scene.extras:
            found += _NEAR[name](rng, horizon, light)
    return found


def _stars(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Iterator[Layer]:
    for x, y, size in zip(
        rng.random(24), rng.random(24) * horizon, rng.uniform(0.008, 0.016, 24), strict=True
    ):
        yield Layer(_disc(x, y, size), (0.95, 0.95, 0.85), (0.02, 0.02, 0, 1))


def _sun(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Iterator[Layer]:
    low = scene.time == "sunset"
    height = horizon - 0.06 if low else float(rng.uniform(0.14, 0.25))
    yield Layer(
        _disc(float(rng.uniform(0.2, 0.8)), height, 0.1),
        (0.99, 0.75, 0.3) if low else SUN,
        (0.02, 0.02, 0, 1),
    )


def _moon(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Iterator[Layer]:
    place = _disc(float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.15, 0.25)), 0.085)
    yield Layer(place, (0.94, 0.94, 0.86), (0.02, 0.02, 0, 1))


def _clouds(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Iterator[Layer]:
    tone = 0.35 + 0.62 * light
    for _ in range(3):
        x, y = float(rng.random()), float(rng.uniform(0.08, horizon - 0.2))
        puffs = ((-0.08, 0.012, 0.045), (0, -0.01, 0.065), (0.085, 0.012, 0.045))
        path = _together(*(_disc(x + dx, y + dy, radius) for dx, dy, radius in puffs))
        yield Layer(path, (tone, tone, tone), (0.08, 0.08, 0, 1))


def _mountains(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Iterator[Layer]:
    for x in rng.uniform(0, 1, 4):
        height, half = float(rng.uniform(0.14, 0.28)), float(rng.uniform(0.16, 0.28))
        colour = scaled((0.42, 0.44, 0.52), float(rng.uniform(0.9, 1.1)) * light)
        foot = horizon + 0.01
        path = _outline((x - half, foot), (x, horizon - height), (x + half, foot))
        yield Layer(path, colour, (0.2, 0.2, 0, 1))


def _ground(rng: np.random.Generator, scene: Scene, horizon: float, light: float) -> Layer:
    colour = _jitter(rng, LANDS[scene.ground])
    wave = 0.0 if scene.ground in ("sea", "field") else float(rng.uniform(0.03, 0.07))
    phase = float(rng.uniform(0, 2 * math.pi))
    skyline = [(step / 32, horizon - wave * math.sin(phase + 2 * math.pi * step / 32)) for step in range(33)]
    return Layer(
        _outline((0, 1), *skyline, (1, 1)),
        (scaled(colour, light * 1.1), scaled(colour, light * 0.75), horizon, 1),
        (0.3, 1.0, horizon, 1),
    )


def _house(rng: np.random.Generator, horizon: float, light: float) -> Iterator[Layer]:
    size = float(rng.uniform(0.2, 0.32))
    x, foot = float(rng.uniform(0.25, 0.75)), horizon + float(rng.uniform(0.08, 0.2))
    depth = (_near(foot, horizon),) * 2 + (0, 1)
    left, roof = x - size / 2, foot - 0.7 * size
    walls = ((0.93, 0.88, 0.78), (0.86, 0.78, 0.62), (0.80, 0.84, 0.88))[int(rng.integers(3))]
    yield Layer(_box(left, roof, size, 0.7 * size), scaled(walls, 0.25 + 0.75 * light), depth)
    eaves = 0.1 * size
    gable = _outline((left - eaves, roof), (x, roof - 0.5 * size), (left + size + eaves, roof))
    yield Layer(gable, scaled((0.68, 0.22, 0.16), 0.25 + 0.75 * light), depth)
    door = scaled((0.40, 0.25, 0.14), 0.3 + 0.7 * light)
    yield Layer(_box(x - 0.1 * size, foot - 0.38 * size, 0.2 * size, 0.38 * size), door, depth)
    # Lit at night, which is what makes a house a house in the dark.
    glass = (0.98, 0.86, 0.45) if light < 0.9 else (0.45, 0.62, 0.78)
    for side in (-0.32, 0.16):
        yield Layer(_box(x + side * size, roof + 0.14 * size, 0.17 * size, 0.17 * size), glass, depth)


def _tree(rng: np.random.Generator, horizon: float, light: float) -> Iterator[Layer]:
    size = float(rng.uniform(0.26, 0.42))
    x, foot = float(rng.uniform(0.2, 0.8)), horizon + float(rng.uniform(0.06, 0.2))
    depth = (_near(foot, horizon),) * 2 + (0, 1)
    trunk = _box(x - 0.06 * size, foot - 0.5 * size, 0.12 * size, 0.5 * size)
    yield Layer(trunk, scaled((0.42, 0.27, 0.14), 0.3 + 0.7 * light), depth)
    puffs = ((-0.2, -0.58, 0.22), (0.2, -0.58, 0.22), (0, -0.8, 0.26), (0, -0.58, 0.2))
    crown = _together(*(_disc(x + dx * size, foot + dy * size, radius * size) for dx, dy, radius in puffs))
    yield Layer(crown, scaled((0.12, 0.42, 0.14), 0.3 + 0.7 * light), depth)


def _boat(rng: np.random.Generator, horizon: float, light: float) -> Iterator[Layer]:
    size = float(rng.uniform(0.24, 0.38))
    x, y = float(rng.uniform(0.25, 0.75)), horizon + float(rng.uniform(0.04, 0.16))
    depth = (_near(y, horizon),) * 2 + (0, 1)
    hull = _outline(
        (x - 0.5 * size, y - 0.12 * size),
        (x + 0.5 * size, y - 0.12 * size),
        (x + 0.32 * size, y + 0.1 * size),
        (x - 0.32 * size, y + 0.1 * size),
    )
    yield Layer(hull, scaled((0.55, 0.24, 0.14), 0.3 + 0.7 * light), depth)
    mast = _box(x - 0.015 * size, y - 0.95 * size, 0.03 * size, 0.83 * size)
    yield Layer(mast, scaled((0.35, 0.22, 0.12), 0.3 + 0.7 * light), depth)
    sail = scaled((0.96, 0.95, 0.92), 0.35 + 0.65 * light)
    for points in (
        ((0.04, -0.92), (0.42, -0.2), (0.04, -0.2)),
        ((-0.04, -0.8), (-0.04, -0.2), (-0.32, -0.2)),
    ):
        yield Layer(_outline(*((x + dx * size, y + dy * size) for dx, dy in points)), sail, depth)


_FAR = {"sun": _sun, "moon": _moon, "stars": _stars, "clouds": _clouds, "mountains": _mountains}
_NEAR = {"house": _house, "boat": _boat, "tree": _tree}


def _near(foot: float, horizon: float) -> float:
    """Depth of what stands on the ground at `foot`: the ground's there, and a little nearer."""
    return min(1.0, 0.3 + 0.7 * (foot - horizon) / (1 - horizon) + 0.15)


def scaled(colour: RGB, factor: float) -> RGB:
    """The colour, lighter or darker by a factor."""
    red, green, blue = (min(1.0, value * factor) for value in colour)
    return red, green, blue


def _jitter(rng: np.random.Generator, colour: RGB) -> RGB:
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, 0.02) + rng.normal(0, 0.01, 3), 0, 1)
    return float(red), float(green), float(blue)


def _box(x: float, y: float, width: float, height: float) -> Callable[[cairo.Context], None]:
    return lambda context: context.rectangle(x, y, width, height)


def _disc(x: float, y: float, radius: float) -> Callable[[cairo.Context], None]:
    def path(context: cairo.Context) -> None:
        context.new_sub_path()
        context.arc(x, y, radius, 0, 2 * math.pi)

    return path


def _outline(*points: tuple[float, float]) -> Callable[[cairo.Context], None]:
    def path(context: cairo.Context) -> None:
        for point in points:
            context.line_to(*point)
        context.close_path()

    return path


def _together(*paths: Callable[[cairo.Context], None]) -> Callable[[cairo.Context], None]:
    def path(context: cairo.Context) -> None:
        for each in paths:
            each(context)

    return path
