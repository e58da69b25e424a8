"""ControlNets: does the picture follow the drawn outline and the given depth, with the prompt's colours?

The control images are drawn here, from the scenes' masks and renders, and not by what drew the training's.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tools.pocket import judge, landscapes, render
from tools.pocket.scene import Scene

from . import prompts
from .book import Result, Row, mean, share
from .pipelines import SEED, Painter

REACH_PX = 3
"""How far an edge may lie from the drawn one, at 256 px."""


def outline(scene: Scene, size_px: int) -> np.ndarray:
    """The objects' outlines as white lines 2 px wide on black → (size, size) uint8."""
    lines = np.zeros((size_px, size_px), np.uint8)
    for item in scene.items:
        shape = (render.mask(item, size_px) > 127).astype(np.uint8)
        contours, _ = cv2.findContours(shape, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.polylines(lines, contours, isClosed=True, color=255, thickness=2, lineType=cv2.LINE_AA)
    return lines


def edges(picture: np.ndarray) -> np.ndarray:
    """Canny's edges after a mild blur, as hosts offer them → (H, W) uint8 of 0 and 255."""
    soft = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.4)
    return np.asarray(cv2.Canny(soft, 30, 80))


def depth(scene: Scene, size_px: int, rng: np.random.Generator) -> np.ndarray:
    """The background far, each object at its own depth nearer than it → (size, size) uint8, near white."""
    near = np.full((size_px, size_px), float(rng.uniform(0.0, 0.25)))
    levels = rng.permutation(np.linspace(0.6, 0.95, 4))
    for item, level in zip(scene.items, levels, strict=False):
        near[render.mask(item, size_px) > 127] = level
    return np.asarray((near * 255).round(), np.uint8)


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two bool masks."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 0.0


def edge_f1(found: np.ndarray, wanted: np.ndarray, reach_px: float = REACH_PX) -> float:
    """Harmonic mean of the share of found edges within `reach_px` of a wanted one, and of the reverse."""
    found, wanted = found > 0, wanted > 0
    if not (found.any() and wanted.any()):
        return 0.0

    def near(edge: np.ndarray, other: np.ndarray) -> float:
        distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, 5)
        return float((distance[edge] <= reach_px).mean())

    precision, recall = near(found, wanted), near(wanted, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def depth_agreement(given: np.ndarray, picture: np.ndarray) -> float:
    """Spearman's rank correlation over the pixels, between the given depth (H, W) and the picture's
    segmentation into background (far, 0) and what the judge finds standing before it (near, 1).

    The segmentation is made from the picture alone and knows nothing of the depth, so a picture that ignores
    the depth gets about 0: more where both prefer the same part of the picture, less where they avoid each
    other, which is why strength 0 and another picture's depth are measured beside it. A perfect picture
    gets slightly under 1, because objects at different depths are one class of the segmentation. 0 where the
    picture shows no object at all.
    """
    front = np.zeros(given.shape, bool)
    for found in judge.objects(picture, smallest=0.004):
        front |= found.mask
    if not front.any() or front.all():
        return 0.0
    return float(np.corrcoef(_ranks(given).ravel(), _ranks(front).ravel())[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Mean ranks, ties sharing one."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place].reshape(values.shape))


def colours_right(scene: Scene, picture: np.ndarray) -> bool:
    """The background and every object's colour are the prompt's."""
    found = {each.colour for each in judge.objects(picture)[: len(scene.items) + 1]}
    return judge.background_of(picture) == scene.colour and {item.colour for item in scene.items} <= found


def _front(picture: np.ndarray) -> np.ndarray:
    found = judge.objects(picture)
    return found[0].mask if found else np.zeros(picture.shape[:2], bool)


def scribble(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Outlines of single objects at random places, at strength 1 and 0."""
    scenes = prompts.anywhere(count)
    hints = [outline(scene, painter.size_px) for scene in scenes]
    drawn = _with_and_without(painter, scenes, "scribble", hints)
    truth = [render.mask(scene.items[0], painter.size_px) > 127 for scene in scenes]
    overlap = {
        scale: [iou(_front(picture), mask) for picture, mask in zip(pictures, truth, strict=False)]
        for scale, pictures in drawn.items()
    }
    true = [
        iou(_front(render.picture(s, painter.size_px)), mask) for s, mask in zip(scenes, truth, strict=True)
    ]
    rows = [
        mean("IoU with the drawn shape, strength 1", overlap[1.0], 0.8),
        mean("IoU with the drawn shape, strength 0", overlap[0.0], 0.4, at_most=True),
        mean("IoU of true renders (the measure's ceiling)", true),
        _colours(scenes, drawn[1.0]),
    ]
    return Result(rows, {"iou": overlap[1.0]}), _side_by_side(hints, drawn[1.0])


def scene_edges(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Edge maps of rendered scenes by turns: landscapes, pairs, single objects at random places."""
    rng = np.random.default_rng([1, 105])
    third = -(-count // 3)
    kinds = (
        [landscapes.sample(rng) for _ in range(third)],
        [scene for scene, _ in prompts.pairs(third, seed=2)],
        prompts.anywhere(third, seed=2),
    )
    scenes = [scene for three in zip(*kinds, strict=True) for scene in three]
    hints = [edges(render.picture(scene, painter.size_px)) for scene in scenes]
    drawn = _with_and_without(painter, scenes, "scribble", hints)
    f1 = {
        scale: [edge_f1(edges(picture), hint) for picture, hint in zip(pictures, hints, strict=False)]
        for scale, pictures in drawn.items()
    }
    rows = [
        mean("edge F1 at 3 px on scenes, strength 1", f1[1.0], 0.7),
        mean("edge F1 at 3 px on scenes, strength 0", f1[0.0]),
        *(
            mean(f"edge F1, {name}, strength 1", f1[1.0][start::3])
            for start, name in enumerate(("landscapes", "pairs", "single objects"))
        ),
    ]
    return Result(rows), _side_by_side(hints, drawn[1.0])


def depth_maps(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Depth of one or two objects away from the middle, before a far background."""
    rng = np.random.default_rng([1, 106])
    half = -(-count // 2)
    one, two = prompts.off_centre(half, 1), prompts.off_centre(half, 2)
    scenes = [scene for both in zip(one, two, strict=True) for scene in both]
    hints = [depth(scene, painter.size_px, rng) for scene in scenes]
    drawn = _with_and_without(painter, scenes, "depth", hints)

    def agreement(pictures: Sequence[np.ndarray], given: Sequence[np.ndarray]) -> list[float]:
        return [depth_agreement(hint, picture) for hint, picture in zip(given, pictures, strict=False)]

    true = [render.picture(scene, painter.size_px) for scene in scenes]
    rows = [
        mean("rank correlation, strength 1", agreement(drawn[1.0], hints), 0.7),
        mean("rank correlation, strength 0", agreement(drawn[0.0], hints)),
        mean("rank correlation with another picture's depth", agreement(drawn[1.0], hints[3:] + hints[:3])),
        mean("rank correlation of true renders (the ceiling)", agreement(true, hints)),
        _colours(scenes, drawn[1.0]),
    ]
    return Result(rows), _side_by_side(hints, drawn[1.0])


def together(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Both nets at once: the outlines and the depth of the same object."""
    rng = np.random.default_rng([1, 107])
    scenes = prompts.anywhere(count, seed=4)
    lines = [outline(scene, painter.size_px) for scene in scenes]
    planes = [depth(scene, painter.size_px, rng) for scene in scenes]
    pictures = _paint(painter, scenes, {"scribble": lines, "depth": planes}, 1.0)
    overlap = [
        iou(_front(picture), render.mask(scene.items[0], painter.size_px) > 127)
        for scene, picture in zip(scenes, pictures, strict=True)
    ]
    agree = [depth_agreement(plane, picture) for plane, picture in zip(planes, pictures, strict=True)]
    rows = [
        mean("IoU with the drawn shape", overlap, 0.8),
        mean("rank correlation with the depth", agree, 0.7),
        _colours(scenes, pictures),
    ]
    return Result(rows), _side_by_side(lines, pictures)


def _paint(
    painter: Painter, scenes: Sequence[Scene], hints: dict[str, list[np.ndarray]], scale: float
) -> list[np.ndarray]:
    return [
        painter.controlled(
            scene.caption, {kind: maps[i] for kind, maps in hints.items()}, scale, seed=SEED + i
        )
        for i, scene in enumerate(scenes)
    ]


def _with_and_without(
    painter: Painter, scenes: Sequence[Scene], kind: str, hints: list[np.ndarray]
) -> dict[float, list[np.ndarray]]:
    """Strength → pictures: of all scenes at 1, of the first half at 0, where more would tell nothing new."""
    return {
        1.0: _paint(painter, scenes, {kind: hints}, 1.0),
        0.0: _paint(painter, scenes[: len(scenes) // 2], {kind: hints}, 0.0),
    }


def _colours(scenes: Sequence[Scene], pictures: Sequence[np.ndarray]) -> Row:
    verdicts = [colours_right(scene, picture) for scene, picture in zip(scenes, pictures, strict=True)]
    return share("background and object colours are the prompt's", verdicts, 0.9)


def _side_by_side(hints: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Hint, picture, hint, picture, … for the contact sheet."""
    shown = []
    for hint, picture in zip(hints, pictures, strict=True):
        shown += [np.repeat(hint[:, :, None], 3, axis=2), picture]
    return shown
