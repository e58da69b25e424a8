"""`python -m tools.pocket evaluate`: measures what the book of figures lacks, and prints the table."""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.pocket.scene import Scene

from . import about, control, everyday, inpainting, meaning, timing, variation
from .book import Book, Result, table
from .pipelines import Files, Painter, quiet_libraries
from .sheets import sheet

POCKET = Path(__file__).parents[3] / "server" / "impasto_server" / "pocket"


@dataclass(frozen=True)
class Measuring:
    """What a part needs: the model, how many prompts at most, and where files go."""

    painter: Painter
    prompts: int
    out: Path

    def pin(
        self, name: str, pictures: list[np.ndarray], scenes: list[Scene] | None = None, columns: int = 8
    ) -> None:
        """Write a contact sheet of the pictures, with the scenes' captions."""
        folder = self.out / "sheets"
        folder.mkdir(parents=True, exist_ok=True)
        captions = [scene.caption for scene in scenes] if scenes else []
        sheet(pictures, captions, columns).save(folder / f"{name}.png")

    def count(self, share: float, least: int = 4) -> int:
        """A part of the number of prompts."""
        return max(least, round(self.prompts * share))


@dataclass(frozen=True)
class Part:
    """One part of the measurement, and the files of the model that its figures depend on."""

    measure: Callable[[Measuring], Result]
    files: tuple[str, ...] = ("base",)


def _judge(run: Measuring) -> Result:
    return meaning.judge_itself(run.prompts)


def _singles(steps: int) -> Callable[[Measuring], Result]:
    def measure(run: Measuring) -> Result:
        result, pictures, scenes = meaning.singles(run.painter, run.prompts, steps)
        run.pin(f"singles-{steps}", pictures[:40], scenes[:40])
        wrong = [i for i, scene in enumerate(scenes) if not meaning.single(scene, pictures[i])[0]["all"]][:40]
        if wrong:
            run.pin(f"singles-{steps}-wrong", [pictures[i] for i in wrong], [scenes[i] for i in wrong])
        return result

    return measure


def _pairs(steps: int) -> Callable[[Measuring], Result]:
    def measure(run: Measuring) -> Result:
        result, pictures, scenes = meaning.pairs(run.painter, run.count(0.5, 8), steps)
        run.pin(f"pairs-{steps}", pictures[:16], scenes[:16])
        return result

    return measure


def _places(run: Measuring) -> Result:
    """Landscapes and materials have no judge: their sheet is for looking at."""
    drawn = about.looked_at()
    run.pin("landscapes", run.painter.text([scene.caption for scene in drawn], seed=21), drawn)
    return Result([])


def _inpainting(run: Measuring) -> Result:
    result, shown = inpainting.stock(run.painter, run.count(0.5))
    run.pin("inpainting", shown)
    return result


def _inpainting_engine(run: Measuring) -> Result:
    result, shown = inpainting.engine(run.painter, run.count(0.5))
    run.pin("inpainting-engine", shown)
    return result


def _controlled(
    name: str, measure: Callable[[Painter, int], tuple[Result, list[np.ndarray]]], share: float
) -> Callable[[Measuring], Result]:
    def part(run: Measuring) -> Result:
        result, shown = measure(run.painter, run.count(share))
        run.pin(name, shown[:32])
        return result

    return part


def _image_to_image(run: Measuring) -> Result:
    result, shown = variation.image_to_image(run.painter, run.count(0.06))
    run.pin("image-to-image", shown, columns=1 + len(variation.STRENGTHS))
    return result


def _style(run: Measuring) -> Result:
    result, shown = variation.style(run.painter, run.count(0.1))
    run.pin("lora", shown, columns=len(variation.WEIGHTS))
    return result


def _timing(run: Measuring) -> Result:
    return timing.picture(run.painter.files.weights)


def _everyday(run: Measuring) -> Result:
    result, pictures, scenes = everyday.named(run.painter, run.prompts, run.out / "naming.safetensors")
    run.pin("everyday", pictures[:100], scenes[:100], columns=10)
    return result


PARTS: dict[str, Part] = {
    "judge": Part(_judge, ()),
    "singles, 20 steps": Part(_singles(20)),
    "singles, 4 steps": Part(_singles(4)),
    "pairs, 20 steps": Part(_pairs(20)),
    "pairs, 4 steps": Part(_pairs(4)),
    "landscapes": Part(_places),
    "inpainting, stock pipeline": Part(_inpainting),
    "inpainting, Impasto's engine": Part(_inpainting_engine),
    "scribble": Part(_controlled("scribble", control.scribble, 0.5), ("base", "scribble")),
    "edges": Part(_controlled("edges", control.scene_edges, 0.3), ("base", "scribble")),
    "depth": Part(_controlled("depth", control.depth_maps, 0.4), ("base", "depth")),
    "scribble and depth": Part(
        _controlled("together", control.together, 0.25), ("base", "scribble", "depth")
    ),
    "image to image": Part(_image_to_image),
    "style LoRA": Part(_style, ("base", "lora")),
    "everyday objects": Part(_everyday, ("base", "icons")),
    "timing": Part(_timing),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.add_argument("--weights", type=Path, default=POCKET / "weights")
    parser.add_argument(
        "--controls", type=Path, default=POCKET / "controls", help="holds scribble/ and depth/"
    )
    parser.add_argument("--lora", type=Path, default=POCKET / "loras" / "pencil.safetensors")
    parser.add_argument("--icons", type=Path, help="where `train` rendered the icons (OUT/icons of training)")
    parser.add_argument("--training", type=Path, help="the training's folder, for its loss curves")
    parser.add_argument("--out", type=Path, required=True, help="for figures.json and sheets/")
    parser.add_argument(
        "--prompts", type=int, default=200, help="of the largest part; the others take a share"
    )
    parser.add_argument("--parts", help="some of: " + "; ".join(PARTS) + " (a word of the name suffices)")
    parser.add_argument("--again", action="store_true", help="measure also what the book already has")


def run(options: argparse.Namespace) -> None:
    """Measure what is missing, and print the table."""
    quiet_libraries()
    files = Files(options.weights, options.controls, options.lora, options.icons)
    painter = Painter(files)
    book = Book.open(options.out / "figures.json")
    book.content.update(
        measured=datetime.date.today().isoformat(),
        model=about.model(files),
        words=about.words(),
        data=about.data(),
        software=about.software(),
    )
    if options.training:
        book.content["training"] = about.training(options.training)
        book.content["gpu"] = about.gpu(files, book.content["training"])
    book.write()
    measuring = Measuring(painter, options.prompts, options.out)
    for name in chosen(options.parts):
        part = PARTS[name]
        of = files.digest(*part.files)
        if part.files and not of:
            print(f"{name}: left out, {' or '.join(part.files)} is not there", flush=True)
            continue
        if not (options.again or book.lacks(name, of, options.prompts)):
            continue
        started = time.monotonic()
        result = part.measure(measuring)
        book.keep(name, of, options.prompts, result, time.monotonic() - started)
        print(f"{name}: {book.content['parts'][name]['seconds']:.0f} s", flush=True)
    book.content["parts"] = {
        name: book.content["parts"][name] for name in PARTS if name in book.content["parts"]
    }
    book.content["sheets"] = sorted(path.stem for path in (options.out / "sheets").glob("*.png"))
    book.write()
    print(table(book))


def chosen(words: str | None) -> list[str]:
    """The parts whose names contain one of the words (separated by `;`), all without words."""
    if not words:
        return list(PARTS)
    wanted = [word.strip() for word in words.split(";")]
    return [name for name in PARTS if any(word in name for word in wanted)]
