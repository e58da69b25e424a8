"""Everyday objects: icons under free licences, fetched from npm and rendered once into the training folder.

Two sets are trained on; the third is other drawings of the same things, for the judge to learn from. Where no
icons have been fetched the mixes leave them out, so the recipe needs no network.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from . import phrases
from .scene import Item, Scene
from .words import COLOURS, ICONS

SETS: dict[str, tuple[str, str]] = {
    "fluent-emoji-flat": ("@iconify-json/fluent-emoji-flat@1.2.6", "MIT (Microsoft)"),
    "fluent-emoji": ("@iconify-json/fluent-emoji@1.2.7", "MIT (Microsoft)"),
    "noto": ("@iconify-json/noto@1.2.9", "Apache-2.0 (Google)"),
}
"""Icon set → (npm package, licence)."""

TRAINED = ("fluent-emoji-flat", "fluent-emoji")
"""The sets Pocket learns; the judge learns from `noto` too."""

SIDE_PX = 192

_drawings: dict[str, np.ndarray] = {}


class Unreachable(Exception):
    """The package registry did not answer."""


def fetch(folder: Path) -> None:
    """Download the sets with `npm pack` and render every icon of the vocabulary into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (package, licence) in SETS.items():
        path = folder / f"{name}.npz"
        if path.exists():
            continue
        try:
            packed = subprocess.run(
                ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
            )
        except subprocess.CalledProcessError as error:
            raise Unreachable(f"npm pack {package}: {error.stderr.strip()}") from error
        archive = folder / packed.stdout.split()[-1]
        with tarfile.open(archive) as tar:
            file = tar.extractfile("package/icons.json")
            assert file is not None
            content = json.load(file)
        archive.unlink()
        pictures = np.stack([_render(content, icon) for icon in ICONS.values()])
        np.savez_compressed(path, pictures=pictures)
        print(f"icons: {len(pictures)} of {package}, {licence}", flush=True)


def use(folder: Path) -> bool:
    """Load what `fetch` left in `folder` for this process; whether there was anything."""
    _drawings.clear()
    for name in SETS:
        path = folder / f"{name}.npz"
        if path.exists():
            with np.load(path) as file:
                _drawings[name] = file["pictures"]
    return available()


def available() -> bool:
    """Whether the trained sets are loaded."""
    return all(name in _drawings for name in TRAINED)


def sample(rng: np.random.Generator) -> Scene:
    """One everyday object, drawn large, on a plain background that the caption mostly names."""
    name = str(rng.choice(list(ICONS)))
    background = str(rng.choice(list(COLOURS), p=_BACKGROUNDS))
    diameter = float(rng.uniform(0.6, 0.85))
    x, y = 0.5 + rng.normal(0, 0.03, 2)
    caption = phrases.with_article(name) if name not in _PLURAL else name
    told = {"icon": 1 + list(ICONS).index(name)}
    if rng.random() < 0.6:
        caption += " " + phrases.on_background(rng, background)
        told["background"] = 1 + list(COLOURS).index(background)
    surface = "plain" if rng.random() < 0.8 else "gradient"
    item = Item(name, "", (float(x), float(y)), diameter, phrases.small_turn(rng))
    return phrases.close(rng, surface, background, (item,), caption, told)


def drawing(name: str, index: int, sets: tuple[str, ...] = TRAINED) -> np.ndarray:
    """The icon's drawing number `index`, counted around the sets → (SIDE_PX, SIDE_PX, 4) uint8, RGBA with
    straight alpha.
    """
    drawn: np.ndarray = _drawings[sets[index % len(sets)]][list(ICONS).index(name)]
    return drawn


def placed(item: Item, pixels: np.ndarray, size_px: int) -> np.ndarray:
    """The drawing moved, scaled and turned to where the item stands → (size, size, 4) float32, RGBA in 0…1,
    premultiplied.
    """
    scale = item.diameter * size_px / SIDE_PX
    cos, sin = np.cos(item.turn) / scale, np.sin(item.turn) / scale
    x, y = item.centre[0] * size_px, item.centre[1] * size_px
    half = SIDE_PX / 2
    # PIL wants the map from the picture back to the drawing.
    back = (cos, sin, half - cos * x - sin * y, -sin, cos, half + sin * x - cos * y)
    premultiplied = pixels.astype(np.float32) / 255
    premultiplied[:, :, :3] *= premultiplied[:, :, 3:]
    image = Image.fromarray((premultiplied * 255).astype(np.uint8), "RGBA")
    if scale < 0.75:  # bilinear alone would skip pixels
        shrunk = max(8, round(SIDE_PX * scale * 1.3))
        image = image.resize((shrunk, shrunk), Image.Resampling.BOX)
        back = tuple(value * shrunk / SIDE_PX for value in back)
    moved = image.transform((size_px, size_px), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.asarray(moved, np.float32) / 255


_PLURAL = ("bread", "cherries", "cheese", "corn", "fire", "glasses", "grapes", "scissors")
"""Names that take no article."""

_BACKGROUNDS = np.array([4.0 if name == "white" else 1.0 for name in COLOURS])
_BACKGROUNDS /= _BACKGROUNDS.sum()


def _render(content: dict, icon: str) -> np.ndarray:
    """An icon of an Iconify collection → (SIDE_PX, SIDE_PX, 4) uint8, RGBA."""
    import cairosvg

    entry = content["icons"].get(icon) or content["icons"][content["aliases"][icon]["parent"]]
    width = entry.get("width", content.get("width", 16))
    height = entry.get("height", content.get("height", 16))
    left, top = entry.get("left", 0), entry.get("top", 0)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}">{entry["body"]}</svg>'
    )
    png = cairosvg.svg2png(svg.encode(), output_width=SIDE_PX, output_height=SIDE_PX)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
