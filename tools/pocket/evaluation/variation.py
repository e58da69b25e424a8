"""Departures: how far img2img goes with its strength, and what the style LoRA does with its weight."""

from __future__ import annotations

import numpy as np

from tools.pocket import render, styles

from . import prompts
from .book import Result, Row, mean
from .pipelines import SEED, Painter

STRENGTHS = tuple(round(0.1 * step, 1) for step in range(1, 11))
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


def image_to_image(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Renders of one scene painted over with another scene's prompt, at strengths 0.1 … 1.0, one seed each.

    The change is the mean absolute difference of the bytes to the start picture, out of 255. It is compared
    between neighbouring strengths: averaged over the pictures it must grow at every step.
    """
    scenes = prompts.singles(2 * count, seed=5)
    changes, shown = [], []
    for index in range(count):
        start, wanted = render.picture(scenes[index], painter.size_px), scenes[count + index].caption
        results = [
            painter.image_to_image(wanted, start, strength, seed=SEED + index) for strength in STRENGTHS
        ]
        changes.append([float(np.abs(result.astype(int) - start).mean()) for result in results])
        if index < 4:
            shown += [start, *results]
    average = np.mean(changes, axis=0)
    rising = np.diff(average) > 0
    each = np.diff(changes, axis=1) > 0
    rows = [
        Row("mean change grows from each strength to the next", float(rising.mean()), count, bar=1.0),
        Row("the same, steps of single pictures", float(each.mean()), each.size),
        mean("mean change at strength 0.1, of 255", [row[0] for row in changes]),
        mean("mean change at strength 1.0, of 255", [row[-1] for row in changes]),
    ]
    ladder = dict(zip(map(str, STRENGTHS), average.tolist(), strict=True))
    return Result(rows, {"mean change by strength": ladder}), shown


def style(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """The LoRA at five weights against its style measure, and weight 0 against no LoRA at all.

    The pipeline is loaded afresh, so that the base is one that has never seen an adapter.
    """
    captions = [scene.caption for scene in prompts.singles(count, seed=6)]
    bare = Painter(painter.files, painter.guidance).text(captions)
    styled = Painter(painter.files, painter.guidance)
    lora = painter.files.lora
    assert lora is not None
    styled.base.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="style")
    pictures = {}
    for weight in WEIGHTS:
        styled.base.set_adapters(["style"], [weight])
        pictures[weight] = styled.text(captions)
    measured = {
        weight: [styles.style_measure(picture) for picture in drawn] for weight, drawn in pictures.items()
    }
    steps = np.diff([np.mean(measured[weight]) for weight in WEIGHTS])
    same = all(np.array_equal(first, second) for first, second in zip(bare, pictures[0.0], strict=True))
    rows = [
        Row(
            "its style measure grows from each weight to the next", float((steps > 0).mean()), count, bar=1.0
        ),
        Row("weight 0 is bit-identical to the base", float(same), count, bar=1.0),
        *(mean(f"style measure at weight {weight:g}", measured[weight]) for weight in WEIGHTS),
    ]
    shown = [pictures[weight][index] for index in range(min(4, count)) for weight in WEIGHTS]
    return Result(rows), shown
