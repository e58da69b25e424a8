"""Painting scenes with cairo: pictures (sRGB uint8 HWC) and object masks (uint8 HW), at any size.

cairocffi is used rather than pycairo because it has no build step; the two share one interface.
"""

from __future__ import annotations

import math

import cairocffi as cairo
import numpy as np

from . import photographs
from .scenes import Item, Scene
from .words import COLOURS, RGB

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


def picture(scene: Scene, size_px: int) -> np.ndarray:
    """Paint the scene → (size, size, 3) sRGB uint8. The same scene and size give the same bytes."""
    rng = np.random.default_rng(scene.seed)
    if scene.surface == "photograph":
        surface, context = _canvas(size_px, photographs.crop(rng, size_px))
    elif scene.surface == "texture":
        surface, context = _canvas(size_px, _texture(rng, size_px))
    else:
        surface, context = _canvas(size_px)
        if scene.surface == "landscape":
            _landscape(context, scene, rng)
        else:
            _backdrop(context, scene, rng)
    for item in scene.items:
        _item(context, item, rng)
    pixels = _pixels(surface, size_px)
    if scene.surface == "photograph" and scene.items:
        grain = np.random.default_rng(scene.seed + 1).normal(0, 2.0, pixels.shape)
        pixels = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    return pixels


def mask(item: Item, size_px: int) -> np.ndarray:
    """Coverage of the object → (size, size) uint8, 255 inside, anti-aliased, without its shadow."""
    surface, context = _canvas(size_px)
    context.set_source_rgb(1, 1, 1)
    outline(context, item)
    context.fill()
    return _pixels(surface, size_px)[:, :, 0]


def outline(context: cairo.Context, item: Item) -> None:
    """Put the object's outline on the context as the current path, holes wound the other way."""
    context.save()
    context.translate(*item.centre)
    context.rotate(item.turn)
    context.scale(item.diameter / 2, item.diameter / 2)
    context.new_path()
    _PATHS[item.shape](context)
    context.restore()


def _canvas(size_px: int, pixels: np.ndarray | None = None) -> tuple[cairo.ImageSurface, cairo.Context]:
    """A square surface in unit coordinates, black or with the given RGB pixels."""
    data = np.zeros((size_px, size_px, 4), np.uint8)
    if pixels is not None:
        data[:, :, :3] = pixels[:, :, ::-1]
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, size_px, size_px, bytearray(data.tobytes()), size_px * 4)
    context = cairo.Context(surface)
    context.scale(size_px, size_px)
    return surface, context


def _pixels(surface: cairo.ImageSurface, size_px: int) -> np.ndarray:
    surface.flush()
    data = np.frombuffer(surface.get_data(), np.uint8).reshape(size_px, size_px, 4)
    return data[:, :, 2::-1].copy()


def _jitter(rng: np.random.Generator, colour: RGB) -> RGB:
    """A colour near the named one: lighter or darker by 2 %, and 1 % in hue, so that greys stay grey."""
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, 0.02) + rng.normal(0, 0.01, 3), 0, 1)
    return float(red), float(green), float(blue)


def _scaled(colour: RGB, factor: float) -> RGB:
    red, green, blue = (min(1.0, value * factor) for value in colour)
    return red, green, blue


def _backdrop(context: cairo.Context, scene: Scene, rng: np.random.Generator) -> None:
    """A plain colour, or the colour falling off softly to one side."""
    colour = _jitter(rng, COLOURS[scene.colour or "white"])
    if scene.surface == "plain":
        context.set_source_rgb(*colour)
    else:
        angle = rng.uniform(0, 2 * math.pi)
        dx, dy = 0.6 * math.cos(angle), 0.6 * math.sin(angle)
        gradient = cairo.LinearGradient(0.5 - dx, 0.5 - dy, 0.5 + dx, 0.5 + dy)
        gradient.add_color_stop_rgb(0, *_scaled(colour, float(rng.uniform(1.0, 1.15))))
        gradient.add_color_stop_rgb(1, *_scaled(colour, float(rng.uniform(0.65, 0.9))))
        context.set_source(gradient)
    context.paint()


def _texture(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """Soft noise between two near colours: plaster, cloth, blurred rooms → (size, size, 3) uint8."""
    from PIL import Image

    field = np.zeros((size_px, size_px), np.float32)
    weight = 1.0
    stretch = float(rng.choice((1.0, 1.0, 4.0)))
    for cells in (3, 6, 12, 24):
        across, down = max(2, round(cells / stretch)), cells
        coarse = Image.fromarray(rng.normal(0, 1, (down, across)).astype(np.float32))
        field += weight * np.asarray(coarse.resize((size_px, size_px), Image.Resampling.BICUBIC))
        weight *= float(rng.uniform(0.3, 0.7))
    field = 1 / (1 + np.exp(-field))
    base = rng.uniform(0.1, 0.9, 3)
    other = np.clip(base + rng.normal(0, 0.18, 3), 0, 1)
    pixels = base + (other - base) * field[:, :, None]
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _item(context: cairo.Context, item: Item, rng: np.random.Generator) -> None:
    if item.shape == "ball":
        _ball(context, item, rng)
        return
    context.set_source_rgb(*_jitter(rng, COLOURS[item.colour]))
    outline(context, item)
    context.fill()


def _ball(context: cairo.Context, item: Item, rng: np.random.Generator) -> None:
    """A shaded sphere: light from above left, a highlight, and a soft shadow on what it lies on."""
    (x, y), radius = item.centre, item.diameter / 2
    context.save()
    context.translate(x + 0.12 * radius, y + 0.9 * radius)
    context.scale(1.15, 0.38)
    shadow = cairo.RadialGradient(0, 0, 0, 0, 0, radius)
    shadow.add_color_stop_rgba(0, 0, 0, 0, 0.6)
    shadow.add_color_stop_rgba(0.6, 0, 0, 0, 0.4)
    shadow.add_color_stop_rgba(1, 0, 0, 0, 0)
    context.set_source(shadow)
    context.arc(0, 0, radius, 0, 2 * math.pi)
    context.fill()
    context.restore()

    colour = _jitter(rng, COLOURS[item.colour])
    light = tuple(value + (1 - value) * 0.55 for value in colour)
    lift = float(rng.uniform(0.3, 0.42))
    body = cairo.RadialGradient(x - lift * radius, y - lift * radius, 0.05 * radius, x, y, radius)
    body.add_color_stop_rgb(0, *light)
    body.add_color_stop_rgb(0.3, *_scaled(colour, 1.05))
    body.add_color_stop_rgb(0.7, *_scaled(colour, 0.85))
    body.add_color_stop_rgb(1, *_scaled(colour, 0.5))
    context.set_source(body)
    outline(context, item)
    context.fill()


def _landscape(context: cairo.Context, scene: Scene, rng: np.random.Generator) -> None:
    horizon = float(rng.uniform(0.5, 0.66))
    top, bottom = SKIES[scene.time]
    sky = cairo.LinearGradient(0, 0, 0, horizon)
    sky.add_color_stop_rgb(0, *_jitter(rng, top))
    sky.add_color_stop_rgb(1, *_jitter(rng, bottom))
    context.set_source(sky)
    context.paint()
    light = SHADE[scene.time]
    if "stars" in scene.extras:
        context.set_source_rgb(0.95, 0.95, 0.85)
        for x, y, size in zip(
            rng.random(24), rng.random(24) * horizon, rng.uniform(0.008, 0.016, 24), strict=True
        ):
            context.arc(x, y, size, 0, 2 * math.pi)
            context.fill()
    if "sun" in scene.extras:
        low = scene.time == "sunset"
        context.set_source_rgb(*((0.99, 0.75, 0.3) if low else SUN))
        height = horizon - 0.06 if low else float(rng.uniform(0.14, 0.25))
        context.arc(float(rng.uniform(0.2, 0.8)), height, 0.1, 0, 2 * math.pi)
        context.fill()
    if "moon" in scene.extras:
        context.set_source_rgb(0.94, 0.94, 0.86)
        context.arc(float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.15, 0.25)), 0.085, 0, 2 * math.pi)
        context.fill()
    if "clouds" in scene.extras:
        for _ in range(3):
            _cloud(context, float(rng.random()), float(rng.uniform(0.08, horizon - 0.2)), light)
    if "mountains" in scene.extras:
        _mountains(context, horizon, light, rng)
    _ground(context, scene, horizon, light, rng)


def _cloud(context: cairo.Context, x: float, y: float, light: float) -> None:
    tone = 0.35 + 0.62 * light
    context.set_source_rgb(tone, tone, tone)
    for dx, dy, radius in ((-0.08, 0.012, 0.045), (0, -0.01, 0.065), (0.085, 0.012, 0.045)):
        context.arc(x + dx, y + dy, radius, 0, 2 * math.pi)
        context.fill()


def _mountains(context: cairo.Context, horizon: float, light: float, rng: np.random.Generator) -> None:
    for x in rng.uniform(0, 1, 4):
        height, half = float(rng.uniform(0.14, 0.28)), float(rng.uniform(0.16, 0.28))
        tone = float(rng.uniform(0.9, 1.1)) * light
        context.set_source_rgb(*_scaled((0.42, 0.44, 0.52), tone))
        context.move_to(x - half, horizon + 0.01)
        context.line_to(x, horizon - height)
        context.line_to(x + half, horizon + 0.01)
        context.fill()


def _ground(
    context: cairo.Context, scene: Scene, horizon: float, light: float, rng: np.random.Generator
) -> None:
    colour = _jitter(rng, LANDS[scene.ground])
    ground = cairo.LinearGradient(0, horizon, 0, 1)
    ground.add_color_stop_rgb(0, *_scaled(colour, light * 1.1))
    ground.add_color_stop_rgb(1, *_scaled(colour, light * 0.75))
    context.set_source(ground)
    wave = 0.0 if scene.ground in ("sea", "field") else float(rng.uniform(0.03, 0.07))
    phase = float(rng.uniform(0, 2 * math.pi))
    context.move_to(0, 1)
    for step in range(33):
        x = step / 32
        context.line_to(x, horizon - wave * math.sin(phase + 2 * math.pi * x))
    context.line_to(1, 1)
    context.fill()


def _polygon(context: cairo.Context, corners: int, inner: float = 1.0) -> None:
    """A regular polygon, or a star where `inner` is the radius of its inner corners; one corner up."""
    points = corners * (2 if inner < 1 else 1)
    for i in range(points):
        radius = inner if inner < 1 and i % 2 else 1.0
        angle = 2 * math.pi * i / points - math.pi / 2
        context.line_to(radius * math.cos(angle), radius * math.sin(angle))
    context.close_path()


def _lines(context: cairo.Context, *points: tuple[float, float]) -> None:
    for x, y in points:
        context.line_to(x, y)
    context.close_path()


def _circle(context: cairo.Context) -> None:
    context.arc(0, 0, 1, 0, 2 * math.pi)


def _ring(context: cairo.Context) -> None:
    _circle(context)
    context.new_sub_path()
    context.arc_negative(0, 0, 0.55, 2 * math.pi, 0)


def _heart(context: cairo.Context) -> None:
    context.move_to(0, 0.95)
    context.curve_to(-1.5, -0.1, -0.75, -1.35, 0, -0.5)
    context.curve_to(0.75, -1.35, 1.5, -0.1, 0, 0.95)


def _crescent(context: cairo.Context) -> None:
    context.arc(0.1, 0, 1, math.radians(50), math.radians(310))
    context.arc_negative(0.5, 0, 0.8, math.radians(287), math.radians(73))
    context.close_path()


def _drop(context: cairo.Context) -> None:
    context.move_to(0, -1)
    context.curve_to(0.25, -0.5, 0.7, -0.1, 0.7, 0.32)
    context.arc(0, 0.32, 0.7, 0, math.pi)
    context.curve_to(-0.7, -0.1, -0.25, -0.5, 0, -1)


def _cross(context: cairo.Context) -> None:
    context.rectangle(-0.3, -0.95, 0.6, 1.9)
    context.new_sub_path()
    context.rectangle(-0.95, -0.3, 1.9, 0.6)


_PATHS = {
    "circle": _circle,
    "ball": _circle,
    "ring": _ring,
    "heart": _heart,
    "crescent": _crescent,
    "drop": _drop,
    "cross": _cross,
    "square": lambda context: _lines(context, (-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    "triangle": lambda context: _lines(context, (0, -0.92), (0.98, 0.78), (-0.98, 0.78)),
    "diamond": lambda context: _lines(context, (0, -1), (0.68, 0), (0, 1), (-0.68, 0)),
    "hexagon": lambda context: _lines(
        context, (-1, 0), (-0.5, -0.87), (0.5, -0.87), (1, 0), (0.5, 0.87), (-0.5, 0.87)
    ),
    "star": lambda context: _polygon(context, 5, 0.42),
    "arrow": lambda context: _lines(
        context, (1, 0), (0.15, -0.85), (0.15, -0.36), (-1, -0.36), (-1, 0.36), (0.15, 0.36), (0.15, 0.85)
    ),
}
