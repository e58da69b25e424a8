"""The figures of a Pocket folder, all through stock diffusers pipelines, and a contact sheet to look at."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from . import judge, photographs, render, scenes

SEED = 2026


@dataclass(frozen=True)
class Sampler:
    """A loaded pipeline and the settings every picture is drawn with."""

    pipeline: Any
    """A StableDiffusionPipeline."""
    size_px: int
    steps: int
    guidance: float

    def draw(self, captions: Sequence[str], seed: int = SEED, batch: int = 10) -> list[np.ndarray]:
        """Pictures (size, size, 3) uint8 for the captions, reproducible."""
        import torch

        pictures: list[np.ndarray] = []
        for start in range(0, len(captions), batch):
            part = list(captions[start : start + batch])
            output = self.pipeline(
                part,
                width=self.size_px,
                height=self.size_px,
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=[torch.Generator().manual_seed(seed + start + i) for i in range(len(part))],
                output_type="np",
            )
            pictures += list((output.images * 255).round().astype(np.uint8))
        return pictures


def load(weights: Path):
    """The folder as a stock StableDiffusionPipeline in float32, quiet."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(
        weights, torch_dtype=torch.float32, local_files_only=True
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def single(drawn: Sequence[scenes.Scene], pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """Shares of pictures whose background, object colour and shape are the scene's."""
    right = {"background": 0, "colour": 0, "shape": 0, "all": 0}
    for scene, picture in zip(drawn, pictures, strict=True):
        found = judge.objects(picture)
        item = scene.items[0]
        verdict = {
            "background": judge.background_of(picture) == scene.colour,
            "colour": bool(found) and found[0].colour == item.colour,
            "shape": bool(found) and judge.shape_of(found[0].mask) == item.shape.replace("ball", "circle"),
        }
        for name, good in verdict.items():
            right[name] += good
        right["all"] += all(verdict.values())
    return {name: count / len(drawn) for name, count in right.items()}


def pairs(drawn: Sequence[scenes.Scene], pictures: Sequence[np.ndarray]) -> dict[str, float]:
    """Share of pairs with both colours, and with both colours in the right relation."""
    colours = relation = 0
    for scene, picture in zip(drawn, pictures, strict=True):
        found = judge.objects(picture)[:2]
        names = {each.colour: each.centre for each in found}
        first, second = scene.items
        if not (first.colour in names and second.colour in names):
            continue
        colours += 1
        axis = int(abs(first.centre[1] - second.centre[1]) > abs(first.centre[0] - second.centre[0]))
        wanted = first.centre[axis] < second.centre[axis]
        relation += (names[first.colour][axis] < names[second.colour][axis]) == wanted
    return {"both colours": colours / len(drawn), "and relation": relation / len(drawn)}


def inpainting(sampler: Sampler, count: int) -> tuple[dict[str, float], list[np.ndarray]]:
    """Objects painted into crops of photographs through the stock inpaint pipeline, → (figures, pictures).

    The mask is a disc a little larger than the object. Counted is whether the prompt's colour is the most
    frequent of the twelve in the mask's inner disc (two thirds of its diameter). The pictures have the
    original pasted back outside the mask, as any host does.
    """
    import torch
    from diffusers import StableDiffusionInpaintPipeline

    pipeline = StableDiffusionInpaintPipeline(**sampler.pipeline.components, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    rng = np.random.default_rng(SEED)
    vivid = [name for name in judge.COLOURS if name not in ("brown", "gray", "black", "white")]
    right, pictures = 0, []
    y, x = (np.mgrid[: sampler.size_px, : sampler.size_px] + 0.5) / sampler.size_px
    for i in range(count):
        photo = photographs.crop(rng, sampler.size_px)
        colour, noun = str(rng.choice(vivid)), str(rng.choice(("ball", "circle", "square", "star", "heart")))
        centre, radius = rng.uniform(0.38, 0.62, 2), float(rng.uniform(0.2, 0.3))
        distance = np.hypot(x - centre[0], y - centre[1])
        mask = distance < radius
        image = pipeline(
            f"a {colour} {noun}",
            image=Image.fromarray(photo),
            mask_image=Image.fromarray((mask * 255).astype(np.uint8)),
            width=sampler.size_px,
            height=sampler.size_px,
            strength=1.0,
            num_inference_steps=sampler.steps,
            guidance_scale=sampler.guidance,
            generator=torch.Generator().manual_seed(SEED + i),
        ).images[0]
        result = np.where(mask[:, :, None], np.asarray(image), photo)
        names = judge.colour_map(result)[distance < radius * 2 / 3]
        right += int(np.bincount(names, minlength=12).argmax()) == list(judge.COLOURS).index(colour)
        pictures.append(result)
    return {"colour in the mask": right / count}, pictures


def sheet(pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8) -> Image.Image:
    """Pictures in a grid with their captions below, for looking at."""
    size = max(picture.shape[0] for picture in pictures)
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (size + 4), rows * (size + 30)), "white")
    pen = ImageDraw.Draw(page)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        left, top = (i % columns) * (size + 4), (i // columns) * (size + 30)
        page.paste(Image.fromarray(picture), (left, top))
        letters = max(10, size // 6)
        pen.text(
            (left + 2, top + size + 1),
            caption[:letters] + "\n" + caption[letters : 2 * letters],
            fill="black",
        )
    return page


def draw_scenes(kind: str, count: int) -> list[scenes.Scene]:
    """Fresh scenes of a kind ("held-out", or one of the mixes' kinds), none of which training has seen."""
    rng = np.random.default_rng([SEED, len(kind)])
    if kind == "held-out":
        return [scenes.sample(rng, held_out=True) for _ in range(count)]
    return [scenes._DRAW[kind](rng) for _ in range(count)]


def main(
    weights: Path, out: Path | None, prompts: int, steps: int, guidance: float, size_px: int | None
) -> dict[str, dict[str, float]]:
    """Measure, print a table, and with `out` write figures.json and contact sheets."""
    pipeline = load(weights)
    size = size_px or 8 * int(pipeline.unet.config.sample_size)
    sampler = Sampler(pipeline, size, steps, guidance)
    figures: dict[str, dict[str, float]] = {}

    held_out = draw_scenes("held-out", prompts)
    started = time.monotonic()
    pictures = sampler.draw([scene.caption for scene in held_out])
    seconds = (time.monotonic() - started) / prompts
    figures["held-out combinations"] = {**single(held_out, pictures), "seconds each": round(seconds, 2)}
    _say("held-out combinations", figures)

    twos = draw_scenes("pair", max(4, prompts // 3))
    pair_pictures = sampler.draw([scene.caption for scene in twos])
    figures["pairs"] = pairs(twos, pair_pictures)
    _say("pairs", figures)

    figures["inpainting on photographs"], painted = inpainting(sampler, max(4, prompts // 4))
    _say("inpainting on photographs", figures)

    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        mixed = [
            scene
            for kind in ("unnamed", "photograph", "colour", "landscape")
            for scene in draw_scenes(kind, 6)
        ]
        more = sampler.draw([scene.caption for scene in mixed])
        captions = [scene.caption for scene in (*held_out[:24], *twos[:8], *mixed)]
        sheet([*pictures[:24], *pair_pictures[:8], *more], captions).save(out / "sheet.png")
        sheet(painted[:16], [""] * len(painted[:16])).save(out / "inpainting.png")
    return figures


def judge_itself(count: int = 200, size_px: int = 128) -> dict[str, float]:
    """The judge on true renders of held-out scenes: its own ceiling."""
    drawn = draw_scenes("held-out", count)
    return single(drawn, [render.picture(scene, size_px) for scene in drawn])


def _say(name: str, figures: dict[str, dict[str, float]]) -> None:
    print(name, {key: round(value, 3) for key, value in figures[name].items()}, flush=True)
