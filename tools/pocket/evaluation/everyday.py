"""Everyday objects: does a small classifier, trained on other renders of the icons, name what Pocket drew?

The classifier sees 64 px pictures of every set's drawings on plain grounds, moved, turned, bent, blurred and
recoloured, so that it goes by the thing and not by a drawing's pixels. Its accuracy on true renders that it
has not seen stands beside what it says of Pocket.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tools.pocket import icons, render
from tools.pocket.scene import Item, Scene
from tools.pocket.words import COLOURS, ICONS

from .book import Result, share
from .pipelines import Painter

SIDE_PX = 64
STEPS, BATCH = 1600, 64


def scenes(each: int, seed: int = 1) -> list[Scene]:
    """`each` scenes of every icon, by turns, with the captions that training used for them."""
    rng = np.random.default_rng([seed, 108])
    waiting: dict[str, list[Scene]] = {name: [] for name in ICONS}
    while min(map(len, waiting.values())) < each:
        scene = icons.sample(rng)
        waiting[scene.items[0].shape].append(scene)
    return [waiting[name][turn] for turn in range(each) for name in ICONS]


def named(painter: Painter, count: int, kept: Path) -> tuple[Result, list[np.ndarray], list[Scene]]:
    """What the classifier says of `count` drawn objects. `kept` is where the trained classifier lies."""
    assert painter.files.icons is not None
    icons.use(painter.files.icons)
    model = classifier(kept)
    drawn = scenes(math.ceil(count / len(ICONS)))
    wanted = [drawn[index] for index in np.linspace(0, len(drawn) - 1, count).round().astype(int)]
    pictures = painter.text([scene.caption for scene in wanted], seed=11)
    true = scenes(2, seed=2)
    places = _places(model, pictures, wanted)
    of_true = _places(model, [render.picture(scene, painter.size_px) for scene in true], true)
    rows = [
        share("the object is among the first five of 100", [place < 5 for place in places], 0.5),
        share("the object comes first", [place < 1 for place in places]),
        share(
            "true renders: among the first five (checks the judge)", [place < 5 for place in of_true], 0.95
        ),
        share("true renders: first", [place < 1 for place in of_true]),
        share(
            "another's caption: among the first five (chance 5 %)",
            [place < 5 for place in _places(model, pictures, wanted[7:] + wanted[:7])],
            0.15,
            at_most=True,
        ),
    ]
    by_name: dict[str, list[bool]] = {}
    for scene, place in zip(wanted, places, strict=True):
        by_name.setdefault(scene.items[0].shape, []).append(bool(place < 5))
    known = sorted(name for name, found in by_name.items() if all(found))
    return Result(rows, {"named every time": known}), pictures, wanted


def classifier(kept: Path) -> Any:
    """A small convolutional network, (B, 3, 64, 64) in −1…1 → (B, 100) logits; trained once and kept."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(1)
    model = _network()
    if kept.exists():
        model.load_state_dict(load_file(kept))
        return model.eval()
    rng = np.random.default_rng(9)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    for _ in range(STEPS):
        labels = rng.integers(0, len(ICONS), BATCH)
        pictures = np.stack([_augmented(list(ICONS)[label], rng) for label in labels])
        loss = torch.nn.functional.cross_entropy(
            model(_tensor(pictures)), torch.from_numpy(labels), label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    kept.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), kept)
    return model.eval()


def _network() -> Any:
    from torch import nn

    widths = (3, 32, 64, 96, 160)
    layers: list[Any] = []
    for inner, outer in itertools.pairwise(widths):
        layers += [nn.Conv2d(inner, outer, 3, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        if outer > 32:
            layers += [nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(640, len(ICONS))
    )


def _augmented(name: str, rng: np.random.Generator) -> np.ndarray:
    """One of the name's drawings on a plain ground, disturbed → (64, 64, 3) uint8."""
    centre = (float(rng.normal(0.5, 0.06)), float(rng.normal(0.5, 0.06)))
    item = Item(name, "", centre, float(rng.uniform(0.5, 0.95)), float(rng.normal(0, 0.15)))
    drawing = icons.drawing(name, int(rng.integers(2**31)), tuple(icons.SETS))
    layer = icons.placed(item, drawing, SIDE_PX)
    ground = np.clip(np.array(COLOURS[str(rng.choice(list(COLOURS)))]) + rng.normal(0, 0.04, 3), 0, 1)
    picture = (layer[:, :, :3] + ground * (1 - layer[:, :, 3:])).astype(np.float32)
    reach = float(rng.uniform(0, 2.5))
    bend = [cv2.resize(rng.normal(0, reach, (4, 4)).astype(np.float32), (SIDE_PX, SIDE_PX)) for _ in range(2)]
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    picture = cv2.remap(picture, x + bend[0], y + bend[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.1, 1.6)))
    gain = rng.uniform(0.75, 1.15) * (1 + rng.normal(0, 0.05, 3))
    picture = picture * gain + rng.normal(0, 0.02, picture.shape)
    return np.asarray(np.clip(picture, 0, 1) * 255, np.uint8)


def _places(model: Any, pictures: list[np.ndarray], wanted: list[Scene]) -> list[int]:
    """The place of the wanted name among the classifier's answers, 0 the first."""
    import torch

    small = np.stack(
        [cv2.resize(each, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for each in pictures]
    )
    with torch.no_grad():
        logits = model(_tensor(small)).numpy()
    names = list(ICONS)
    labels = np.array([names.index(scene.items[0].shape) for scene in wanted])
    return [int((row > row[label]).sum()) for row, label in zip(logits, labels, strict=True)]


def _tensor(pictures: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
