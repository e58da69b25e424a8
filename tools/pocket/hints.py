"""Control images drawn from scenes: outlines ("scribble", which edge maps are a case of) and depth.

A scribble is white lines on black, 1–3 px wide at 256 px; depth is gray, near white and far black. Both are
(size, size) uint8. Degrading the outlines (wobble, gaps, two kinds of edge) is what lets one network take
drawn scribbles and edge maps of renders alike.
"""

from __future__ import annotations

import cairocffi as cairo
import numpy as np

from . import icons, landscapes, materials, render
from .scene import Item, Scene
from .words import ICONS


def depth(scene: Scene, size_px: int) -> np.ndarray:
    """How near each pixel is, 255 nearest."""
    labels, layers = _regions(scene, size_px)
    rng = np.random.default_rng([scene.seed, 2])
    y, x = (np.mgrid[:size_px, :size_px] + 0.5) / size_px
    if layers:
        near = np.zeros((size_px, size_px))
        for index, layer in enumerate(layers):
            upper, lower, top, bottom = layer.depth
            plane = upper + (lower - upper) * np.clip((y - top) / max(bottom - top, 1e-6), 0, 1)
            near = np.where(labels == index + 1, plane, near)
    else:
        base = float(rng.uniform(0.0, 0.25))
        # A wall, or a floor that comes nearer towards the bottom.
        near = np.full((size_px, size_px), base) if rng.random() < 0.6 else base + 0.3 * y**2
    levels = rng.permutation(np.linspace(0.62, 0.95, max(2, len(scene.items))))
    for index, item in enumerate(scene.items):
        level = np.full_like(near, levels[index])
        if item.shape == "ball":
            reach = np.hypot(x - item.centre[0], y - item.centre[1]) / (item.diameter / 2)
            level = level - 0.18 + 0.23 * np.sqrt(np.clip(1 - reach**2, 0, 1))
        near = np.where(labels == len(layers) + index + 1, level, near)
    return np.asarray(np.clip(near, 0, 1) * 255, np.uint8)


def scribble(scene: Scene, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Outlines of the scene's objects, as clean or as broken as the random numbers make them; or the edges
    of its `picture` (size, size, 3) uint8, as a host's edge detector would find them.
    """
    size_px = len(picture)
    if rng.random() < 0.35:
        return edges(picture, float(rng.uniform(50, 120)))
    labels, _ = _regions(scene, size_px)
    if rng.random() < 0.5:
        labels = _wobbly(labels, rng)
    line = outlines_of(labels, float(rng.uniform(1.0, 3.0)) * size_px / 256)
    if rng.random() < 0.4:
        gaps = materials.field(rng, size_px, ((12, 12, 1.0),)) < rng.uniform(-2.0, -0.6)
        line = np.where(gaps, 0, line)
    return line.astype(np.uint8)


def outlines_of(labels: np.ndarray, width_px: float) -> np.ndarray:
    """Anti-aliased lines where neighbouring labels differ → (H, W) uint8, white on black."""
    from scipy import ndimage

    border = np.zeros(labels.shape, bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    if not border.any():
        return np.zeros(labels.shape, np.uint8)
    distance = ndimage.distance_transform_edt(~border)
    return np.asarray(np.clip(width_px / 2 + 0.5 - distance, 0, 1) * 255, np.uint8)


def edges(picture: np.ndarray, threshold: float = 80.0) -> np.ndarray:
    """Canny's edges of a picture → (H, W) uint8, white on black.

    The union of the three channels' edges: red on purple has next to none in gray.
    """
    import cv2

    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    found = [cv2.Canny(np.ascontiguousarray(smooth[:, :, c]), threshold / 2, threshold) for c in range(3)]
    return np.asarray(np.maximum.reduce(found))


def silhouettes(scene: Scene, size_px: int) -> np.ndarray:
    """Which object or layer each pixel shows, 0 the background → (size, size) uint8."""
    return _regions(scene, size_px)[0]


def _regions(scene: Scene, size_px: int) -> tuple[np.ndarray, list[landscapes.Layer]]:
    """(labels (size, size) uint8, the landscape's layers or an empty list)."""
    labels, layers = np.zeros((size_px, size_px), np.uint8), []
    if scene.surface == "landscape":
        layers = landscapes.layers(scene, np.random.default_rng(scene.seed))
        surface, context = render.canvas(size_px)
        context.set_antialias(cairo.ANTIALIAS_NONE)
        for index, layer in enumerate(layers):
            context.set_source_rgb(*((index + 1) / 255,) * 3)
            context.new_path()
            layer.path(context)
            context.fill()
        labels = render.pixels(surface, size_px)[:, :, 0]
    for index, item in enumerate(scene.items):
        labels[_silhouette(item, scene, size_px)] = len(layers) + index + 1
    return labels, layers


def _silhouette(item: Item, scene: Scene, size_px: int) -> np.ndarray:
    if item.shape not in ICONS:
        return render.mask(item, size_px) > 127
    plain = icons.placed(item, icons.drawing(item.shape, scene.seed), size_px)
    return np.asarray(plain[:, :, 3] > 0.5)


def _wobbly(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The labels as if traced by an unsteady hand, up to 4 px off at 256 px."""
    size_px = len(labels)
    cells = int(rng.integers(5, 14))
    reach = float(rng.uniform(0.3, 2.0)) * size_px / 256
    y, x = np.mgrid[:size_px, :size_px]
    moved = [
        np.clip(np.rint(axis + reach * materials.field(rng, size_px, ((cells, cells, 1.0),))), 0, size_px - 1)
        for axis in (y, x)
    ]
    return np.asarray(labels[moved[0].astype(int), moved[1].astype(int)])
