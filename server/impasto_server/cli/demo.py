"""`impasto demo`: a real photograph inpainted through the real protocol, and checked."""

from __future__ import annotations

import argparse
import json
import math
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from impasto_protocol import places
from impasto_protocol.errors import InternalError
from impasto_protocol.messages import GenerateRequest, LayerInfo
from PIL import Image, ImageDraw

from impasto_server.cli import images, painting, png, servers
from impasto_server.cli.images import Array, from_array

_SEED = 1
_METRICS = (
    ("seam_delta_e", "seam ΔE00"),
    ("surroundings_delta_e", "ΔE00 beside it"),
    ("boundary_gradient_ratio", "gradient ratio"),
    ("grain_ratio", "grain ratio"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder for the pictures; default: one in Impasto's home")


def run(options: argparse.Namespace) -> int:
    folder = options.out or places.home() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    shipped = resources.files("impasto_server.demo")
    scene: dict[str, Any] = json.loads(shipped.joinpath("scene.json").read_text("utf-8"))
    with resources.as_file(shipped.joinpath(scene["photograph"])) as path:
        picture = images.load_picture(path)
    mask = draw_mask(scene["mask"], picture.width, picture.height)
    png.write(folder / "before.png", png.encode(picture.array(), {}))
    png.write(folder / "mask.png", png.encode(mask, {}))
    print(f"Inpainting “{scene['prompt']}” into a photograph ({scene['credit']}).")
    with servers.connect() as session:
        request = GenerateRequest(
            prompt=scene["prompt"],
            seed=int(scene.get("seed", _SEED)),
            strength=float(scene.get("strength", 1.0)),
            image=painting.send(session, picture),
            mask=painting.send(session, from_array(mask)),
        )
        layers = painting.paint(session, request)
        ((after, info),) = painting.write_all(session, layers, folder / "after.png", picture)
    return _report(picture.array(), np.asarray(Image.open(after)), mask, info, folder)


def draw_mask(shape: dict[str, Any], width: int, height: int) -> npt.NDArray[np.uint8]:
    """(height, width) uint8, 255 inside the shape. Kinds: `ellipse` (centre, radii), `polygon` (points); in
    px."""
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    if shape["kind"] == "ellipse":
        (x, y), (across, down) = shape["centre"], shape["radii"]
        draw.ellipse((x - across, y - down, x + across, y + down), fill=255)
    else:
        draw.polygon([tuple(point) for point in shape["points"]], fill=255)
    return np.array(mask)


def _report(before: Array, after: Array, mask: npt.NDArray[np.uint8], info: LayerInfo, folder: Path) -> int:
    """Counts, in the file as written, what changed outside the mask. Raises `InternalError` if anything
    did."""
    changed = (before != after).any(axis=2)
    outside = int((changed & (mask == 0)).sum())
    inside = int((changed & (mask > 0)).sum())
    if outside:
        raise InternalError(
            f"{outside} pixels outside the mask changed. That is a defect of Impasto: please report it."
        )
    print(
        f"Outside the mask: all {int((mask == 0).sum()):,} pixels byte-identical. "
        f"Inside: {inside:,} repainted."
    )
    values = [(words, info.metrics.get(name, math.nan)) for name, words in _METRICS]
    print("  ".join(f"{words} {value:.2f}" for words, value in values if not math.isnan(value)))
    for name in ("before.png", "after.png", "mask.png"):
        print(f"  {folder / name}")
    return 0
