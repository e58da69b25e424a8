"""Painting scenes: pictures (sRGB uint8 HWC) and object masks (uint8 HW), at any size.

cairocffi is used rather than pycairo because it has no build step; the two share one interface.
"""

from __future__ import annotations

import math

import cairocffi as cairo
import numpy as np

from . import icons, landscapes, materials, outlines, photographs
from .scene import Item, Scene
from .words import COLOURS, ICONS, RGB


def picture(scene: Scene, size_px: int) -> np.ndarray:
    """Paint the scene → (size, size, 3) sRGB uint8. The same scene and size give the same bytes."""
    rng = np.random.default_rng(scene.seed)
    surface, context = canvas(size_px, _behind(scene, rng, size_px))
    if scene.surface == "landscape":
        for layer in landscapes.layers(scene, rng):
            layer.fill(context)
    elif scene.surface in ("plain", "gradient"):
        _backdrop(context, scene, rng)
    for item in scene.items:
        if item.shape not in ICONS:
            _item(context, item, rng, size_px)
    painted = pixels(surface, size_px)
    for item in scene.items:
        if item.shape in ICONS:
            painted = _paste(painted, icons.placed(item, icons.drawing(item.shape, scene.seed), size_px))
    if scene.surface == "photograph" and scene.items:
        grain = np.random.default_rng(scene.seed + 1).normal(0, 2.0, painted.shape)
        painted = np.clip(painted + grain, 0, 255).astype(np.uint8)
    return painted


def mask(item: Item, size_px: int) -> np.ndarray:
    """Coverage of the object → (size, size) uint8, 255 inside, anti-aliased, without its shadow."""
    surface, context = canvas(size_px)
    context.set_source_rgb(1, 1, 1)
    outlines.trace(context, item)
    context.fill()
    return pixels(surface, size_px)[:, :, 0]


def canvas(size_px: int, behind: np.ndarray | None = None) -> tuple[cairo.ImageSurface, cairo.Context]:
    """A square surface in unit coordinates, black or with the given RGB pixels."""
    data = np.zeros((size_px, size_px, 4), np.uint8)
    if behind is not None:
        data[:, :, :3] = behind[:, :, ::-1]
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, size_px, size_px, bytearray(data.tobytes()), size_px * 4)
    context = cairo.Context(surface)
    context.scale(size_px, size_px)
    return surface, context


def pixels(surface: cairo.ImageSurface, size_px: int) -> np.ndarray:
    """What a canvas shows → (size, size, 3) uint8 RGB."""
    surface.flush()
    data = np.frombuffer(surface.get_data(), np.uint8).reshape(size_px, size_px, 4)
    return data[:, :, 2::-1].copy()


def _behind(scene: Scene, rng: np.random.Generator, size_px: int) -> np.ndarray | None:
    """The pixels of a surface that cairo does not paint."""
    if scene.surface == "photograph":
        return photographs.crop(rng, size_px)
    if scene.surface == "material":
        return materials.texture(scene.ground, rng, size_px)
    if scene.surface == "texture":
        return _soft(rng, size_px)
    return None


def _jitter(rng: np.random.Generator, colour: RGB) -> RGB:
    """A colour near the named one: lighter or darker by 2 %, and 1 % in hue, so that greys stay grey."""
    red, green, blue = np.clip(np.array(colour) + rng.normal(0, 0.02) + rng.normal(0, 0.01, 3), 0, 1)
    return float(red), float(green), float(blue)


def _backdrop(context: cairo.Context, scene: Scene, rng: np.random.Generator) -> None:
    """A plain colour, or the colour falling off softly to one side."""
    colour = _jitter(rng, COLOURS[scene.colour or "white"])
    if scene.surface == "plain":
        context.set_source_rgb(*colour)
    else:
        angle = rng.uniform(0, 2 * math.pi)
        dx, dy = 0.6 * math.cos(angle), 0.6 * math.sin(angle)
        gradient = cairo.LinearGradient(0.5 - dx, 0.5 - dy, 0.5 + dx, 0.5 + dy)
        gradient.add_color_stop_rgb(0, *landscapes.scaled(colour, float(rng.uniform(1.0, 1.15))))
        gradient.add_color_stop_rgb(1, *landscapes.scaled(colour, float(rng.uniform(0.65, 0.9))))
        context.set_source(gradient)
    context.paint()


def _soft(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """Soft noise between two near colours: plaster, cloth, blurred rooms → (size, size, 3) uint8."""
    stretch = float(rng.choice((1.0, 1.0, 4.0)))
    weight, octaves = 1.0, []
    for cells in (3, 6, 12, 24):
        octaves.append((max(2, round(cells / stretch)), cells, weight))
        weight *= float(rng.uniform(0.3, 0.7))
    field = 1 / (1 + np.exp(-1.2 * materials.field(rng, size_px, tuple(octaves))))
    base = rng.uniform(0.1, 0.9, 3)
    other = np.clip(base + rng.normal(0, 0.18, 3), 0, 1)
    mixed = base + (other - base) * field[:, :, None]
    return (np.clip(mixed, 0, 1) * 255).astype(np.uint8)


def _item(context: cairo.Context, item: Item, rng: np.random.Generator, size_px: int) -> None:
    if item.shape == "ball":
        _shadow(context, item)
    if item.material:
        texture, _ = canvas(size_px, materials.texture(item.material, rng, size_px))
        pattern = cairo.SurfacePattern(texture)
        pattern.set_matrix(cairo.Matrix(xx=size_px, yy=size_px))
        context.set_source(pattern)
    elif item.shape == "ball":
        _shade_ball(context, item, _jitter(rng, COLOURS[item.colour]), float(rng.uniform(0.3, 0.42)))
    else:
        context.set_source_rgb(*_jitter(rng, COLOURS[item.colour]))
    outlines.trace(context, item)
    context.fill()
    if item.shape == "ball" and item.material:
        _shade_texture(context, item)


def _shadow(context: cairo.Context, item: Item) -> None:
    """The soft shadow of a ball on what it lies on."""
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


def _shade_ball(context: cairo.Context, item: Item, colour: RGB, lift: float) -> None:
    """Set the source to a sphere's shading: light from above left and a highlight."""
    (x, y), radius = item.centre, item.diameter / 2
    light = tuple(value + (1 - value) * 0.55 for value in colour)
    body = cairo.RadialGradient(x - lift * radius, y - lift * radius, 0.05 * radius, x, y, radius)
    body.add_color_stop_rgb(0, *light)
    body.add_color_stop_rgb(0.3, *landscapes.scaled(colour, 1.05))
    body.add_color_stop_rgb(0.7, *landscapes.scaled(colour, 0.85))
    body.add_color_stop_rgb(1, *landscapes.scaled(colour, 0.5))
    context.set_source(body)


def _shade_texture(context: cairo.Context, item: Item) -> None:
    """The same light over a ball that is made of a material."""
    (x, y), radius = item.centre, item.diameter / 2
    body = cairo.RadialGradient(x - 0.35 * radius, y - 0.35 * radius, 0.05 * radius, x, y, radius)
    body.add_color_stop_rgba(0, 1, 1, 1, 0.35)
    body.add_color_stop_rgba(0.4, 0.5, 0.5, 0.5, 0)
    body.add_color_stop_rgba(1, 0, 0, 0, 0.6)
    context.set_source(body)
    outlines.trace(context, item)
    context.fill()


def _paste(painted: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Lay an icon (premultiplied RGBA, 0…1) over the picture."""
    mixed = painted * (1 - layer[:, :, 3:]) + layer[:, :, :3] * 255
    return np.clip(mixed, 0, 255).astype(np.uint8)
