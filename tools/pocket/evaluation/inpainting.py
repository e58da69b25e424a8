"""Objects painted into photographs and scenes: through the stock pipeline, and through Impasto's engine as
artists get it.

The mask is a disc or a square a little larger than the object is to be. It may give no shape away: filling it
with the prompt's colour is judged too, and so are true objects pasted into the same masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from tools.pocket import judge, landscapes, photographs, phrases, render
from tools.pocket.scene import Item, Scene
from tools.pocket.words import COLOURS, SHAPES

from .book import Result, share
from .gate import OpenGate
from .pipelines import SEED, Painter
from .timing import home_of

GROUNDS = ("photograph", "scene")


@dataclass(frozen=True)
class Case:
    """One picture, its mask, and what is asked for."""

    on: str
    """One of `GROUNDS`."""
    picture: np.ndarray
    mask: np.ndarray
    """(H, W) bool."""
    item: Item
    """The object as large as the mask invites."""
    prompt: str

    @property
    def solid(self) -> bool:
        """Whether the object would cover most of the mask: of a crescent no more than a third could have its
        colour, so only solid ones count for the colour of the mask.
        """
        return float(self._object[self.mask].mean()) > 0.55

    @property
    def _object(self) -> np.ndarray:
        return render.mask(self.item, len(self.picture)) > 127

    def true(self) -> np.ndarray:
        """The case with a flat object pasted in."""
        return self._filled(self._object & self.mask)

    def flooded(self) -> np.ndarray:
        """The case with the whole mask in the prompt's colour."""
        return self._filled(self.mask)

    def _filled(self, where: np.ndarray) -> np.ndarray:
        colour = np.array(COLOURS[self.item.colour]) * 255
        return np.where(where[:, :, None], colour, self.picture).round().astype(np.uint8)


def cases(count: int, on: str, size_px: int, seed: int = 1) -> list[Case]:
    """Cases on crops of photographs, or on landscapes and plain and gradient scenes. The prompt's colour is
    none of those that already cover a tenth of the mask; shapes come by turns.
    """
    rng = np.random.default_rng([seed, 104, GROUNDS.index(on)])
    made = []
    y, x = (np.mgrid[:size_px, :size_px] + 0.5) / size_px
    for index in range(count):
        picture = photographs.crop(rng, size_px) if on == "photograph" else _scene(rng, size_px)
        centre, radius = rng.uniform(0.36, 0.64, 2), float(rng.uniform(0.22, 0.32))
        across, down = abs(x - centre[0]), abs(y - centre[1])
        square = bool(rng.random() < 0.5)
        mask = np.maximum(across, down) < 0.85 * radius if square else np.hypot(across, down) < radius
        names = np.bincount(judge.colour_map(picture)[mask], minlength=len(COLOURS)) / mask.sum()
        free = [name for name, part in zip(COLOURS, names, strict=True) if part < 0.1]
        shape, colour = SHAPES[index % len(SHAPES)], str(rng.choice(free))
        item = Item(shape, colour, (float(centre[0]), float(centre[1])), 1.8 * radius)
        made.append(
            Case(on, picture, mask, item, phrases.with_article(f"{colour} {phrases.noun(rng, shape)}"))
        )
    return made


def _scene(rng: np.random.Generator, size_px: int) -> np.ndarray:
    """A landscape, or a plain or soft background."""
    if rng.random() < 0.5:
        return render.picture(landscapes.sample(rng), size_px)
    surface, colour = str(rng.choice(("plain", "gradient"))), str(rng.choice(list(COLOURS)))
    return render.picture(Scene(surface, colour, (), "", int(rng.integers(2**31)), ()), size_px)


def verdict(case: Case, result: np.ndarray) -> dict[str, bool]:
    """`colour`: the prompt's is the most frequent of the twelve in the mask. `shape`: its region in the mask
    has the prompt's shape.
    """
    names = np.bincount(judge.colour_map(result)[case.mask], minlength=len(COLOURS))
    region = judge.painted(result, case.mask, case.item.colour)
    return {
        "colour": list(COLOURS)[int(names.argmax())] == case.item.colour,
        "shape": judge.shape_of(region) == case.item.shape,
    }


def stock(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Through the stock inpaint pipeline, the original pasted back outside the mask as any host does."""

    def paint(case: Case, seed: int) -> np.ndarray:
        image = painter.inpaint(case.prompt, case.picture, case.mask, seed=seed)
        return np.where(case.mask[:, :, None], image, case.picture)

    rows, shown = [], []
    for on in GROUNDS:
        made = cases(count, on, painter.size_px)
        results = [paint(case, SEED + i) for i, case in enumerate(made)]
        rows += _rows(made, results)
        shown += [
            each for case, result in zip(made, results, strict=True) for each in (_before(case), result)
        ][:24]
        for what, fill in (("true objects pasted in", Case.true), ("masks filled flat", Case.flooded)):
            verdicts = [verdict(case, fill(case))["shape"] for case in made]
            rows.append(share(f"{on}s, {what}: shape (checks the judge)", verdicts))
    return Result(rows), shown


def engine(painter: Painter, count: int) -> tuple[Result, list[np.ndarray]]:
    """Through `impasto_server`'s engine at full strength, as a host gets it: the layer laid over the
    original.
    """
    rows, shown, kept = [], [], []
    with _engine(painter) as paint:
        for on in GROUNDS:
            made = cases(count, on, painter.size_px)
            results = [paint(case, SEED + i) for i, case in enumerate(made)]
            rows += _rows(made, results)
            for case, result in zip(made, results, strict=True):
                kept.append(bool(np.array_equal(result[~case.mask], case.picture[~case.mask])))
            shown += [
                each for case, result in zip(made, results, strict=True) for each in (_before(case), result)
            ][:24]
    return Result([*rows, share("byte-identical outside the mask", kept, 1.0)]), shown


def _rows(made: list[Case], results: list[np.ndarray]) -> list:
    verdicts = [(case, verdict(case, result)) for case, result in zip(made, results, strict=True)]
    on = made[0].on
    return [
        share(
            f"{on}s: the prompt's colour dominates the mask",
            [each["colour"] for case, each in verdicts if case.solid],
            0.95,
            note="objects that would cover most of the mask",
        ),
        share(f"{on}s: shape", [each["shape"] for _, each in verdicts], 0.75),
    ]


def _before(case: Case) -> np.ndarray:
    """The picture with the mask shown in gray, for the contact sheet."""
    veiled = case.picture // 2 + 110
    return np.where(case.mask[:, :, None], veiled, case.picture).astype(np.uint8)


@contextmanager
def _engine(painter: Painter) -> Iterator[Callable[[Case, int], np.ndarray]]:
    """A function (case, seed) → picture, painted by the engine on the CPU."""
    from impasto_protocol.messages import GenerateRequest, InputRef
    from impasto_protocol.rasters import PixelFormat
    from impasto_server.compositing.composite import alpha_over
    from impasto_server.engine.diffusion import DiffusionEngine
    from impasto_server.engine.interface import Input

    with home_of(painter.files.weights) as (home, model):
        runner = DiffusionEngine(device="cpu", home=home)

        def as_input(pixels: np.ndarray) -> Input:
            kind = PixelFormat.GRAY8 if pixels.ndim == 2 else PixelFormat.RGB8
            return Input(InputRef("0" * 64, pixels.shape[1], pixels.shape[0], kind), pixels)

        def paint(case: Case, seed: int) -> np.ndarray:
            request = GenerateRequest(
                case.prompt, model=model, seed=seed, steps=20, guidance=painter.guidance, strength=1.0
            )
            mask = np.where(case.mask, 255, 0).astype(np.uint8)
            pictures = {"image": as_input(case.picture), "mask": as_input(mask)}
            (layer,) = runner.generate(request, pictures, OpenGate())
            full = np.zeros((*case.mask.shape, 4), np.uint8)
            top, left = layer.info.y, layer.info.x
            full[top : top + layer.info.height, left : left + layer.info.width] = layer.pixels
            return np.asarray(alpha_over(case.picture, full))

        yield paint
