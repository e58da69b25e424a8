"""Do pictures show what their prompts say? Single objects and pairs of never trained combinations, and the
judge's own errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tools.pocket import judge, render
from tools.pocket.scene import Scene
from tools.pocket.words import SHAPES

from . import prompts
from .book import Result, share
from .pipelines import Painter

Verdict = dict[str, bool]


def single(scene: Scene, picture: np.ndarray) -> tuple[Verdict, str]:
    """(Whether background, colour and shape are the scene's, the shape that was seen or an empty string)."""
    found = judge.objects(picture)
    item = scene.items[0]
    seen = (judge.shape_of(found[0].mask) or "") if found else ""
    verdict = {
        "background": judge.background_of(picture) == scene.colour,
        "colour": bool(found) and found[0].colour == item.colour,
        "shape": seen == item.shape,
    }
    return {**verdict, "all": all(verdict.values())}, seen


def pair(scene: Scene, relation: str, picture: np.ndarray) -> Verdict:
    """Whether both colours are there, and stand in the relation. Of a colour the largest region counts."""
    places: dict[str, tuple[float, float]] = {}
    for each in judge.objects(picture):
        places.setdefault(each.colour, each.centre)
    first, second = (places.get(item.colour) for item in scene.items)
    if first is None or second is None:
        return {"colours": False, "relation": False}
    axis = 0 if relation in ("left", "right") else 1
    before = first[axis] < second[axis]
    return {"colours": True, "relation": before == (relation in ("left", "above"))}


def judge_itself(count: int) -> Result:
    """The judge on true renders, on unsteady outlines, and on true renders under another's caption."""
    scenes = prompts.singles(count)
    pictures = [render.picture(scene, 256) for scene in scenes]
    right = [single(scene, picture)[0]["all"] for scene, picture in zip(scenes, pictures, strict=True)]
    # By 7 scenes: another shape, and colours and backgrounds of another draw.
    mixed = [
        single(scene, picture)[0] for scene, picture in zip(scenes[7:] + scenes[:7], pictures, strict=True)
    ]
    twos = prompts.pairs(max(8, count // 2))
    drawn = [render.picture(scene, 256) for scene, _ in twos]
    related = [pair(*two, picture)["relation"] for two, picture in zip(twos, drawn, strict=True)]
    crossed = [
        pair(*two, picture)["relation"] for two, picture in zip(twos[5:] + twos[:5], drawn, strict=True)
    ]
    rng = np.random.default_rng(3)
    hands = [judge.shape_of(judge.unsteady(SHAPES[i % 12], rng, 0.04)) == SHAPES[i % 12] for i in range(240)]
    return Result(
        [
            share("true renders: background, colour and shape", right, 0.98),
            share("true renders of pairs: both colours in the relation", related, 0.98),
            share("shapes drawn by a hand 4 % unsteady", hands),
            *(
                share(f"shuffled captions: {name}", [each[name] for each in mixed], 0.17, at_most=True)
                for name in ("background", "colour", "shape")
            ),
            share("shuffled captions: all three", [each["all"] for each in mixed], 0.02, at_most=True),
            share("shuffled captions of pairs: relation", crossed, 0.1, at_most=True),
        ]
    )


def singles(painter: Painter, count: int, steps: int) -> tuple[Result, list[np.ndarray], list[Scene]]:
    """Held-out single objects."""
    scenes = prompts.singles(count)
    pictures = painter.text([scene.caption for scene in scenes], steps)
    judged = [single(scene, picture) for scene, picture in zip(scenes, pictures, strict=True)]
    verdicts = [verdict for verdict, _ in judged]
    rows = [
        share("background colour", [each["background"] for each in verdicts], 0.95),
        share("object colour", [each["colour"] for each in verdicts], 0.95),
        share("shape", [each["shape"] for each in verdicts], 0.93),
        share("all three", [each["all"] for each in verdicts]),
    ]
    return Result(rows, {"shapes": confusion(scenes, [seen for _, seen in judged])}), pictures, scenes


def confusion(scenes: Sequence[Scene], seen: Sequence[str]) -> dict[str, dict[str, int]]:
    """Shape asked for → shape seen → how often; `nothing` where no object was found."""
    pairs = Counter(
        (scene.items[0].shape, shape or "nothing") for scene, shape in zip(scenes, seen, strict=True)
    )
    return {
        shape: {other: count for (asked, other), count in sorted(pairs.items()) if asked == shape}
        for shape in SHAPES
    }


def pairs(painter: Painter, count: int, steps: int) -> tuple[Result, list[np.ndarray], list[Scene]]:
    """Two objects in a relation."""
    drawn = prompts.pairs(count)
    scenes = [scene for scene, _ in drawn]
    pictures = painter.text([scene.caption for scene in scenes], steps, seed=7)
    verdicts = [pair(*each, picture) for each, picture in zip(drawn, pictures, strict=True)]

    def of(*relations: str) -> list[bool]:
        return [
            verdict["relation"]
            for (_, relation), verdict in zip(drawn, verdicts, strict=True)
            if relation in relations
        ]

    rows = [
        share("left and right: both colours in the relation", of("left", "right"), 0.85),
        share("above and below: both colours in the relation", of("above", "below"), 0.85),
        share("both colours are there", [each["colours"] for each in verdicts]),
    ]
    return Result(rows), pictures, scenes
