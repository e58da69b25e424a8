"""`impasto generate`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from impasto_protocol.errors import BadValue
from impasto_protocol.messages import FILL_MODES, GenerateRequest

from impasto_server.cli import images, painting, servers


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, help="what to paint")
    parser.add_argument("--negative", default="", help="what to avoid")
    parser.add_argument("--model", default="pocket", help="a name from `impasto models`")
    parser.add_argument("--size", metavar="WxH", help="pixels, for pictures from words alone")
    parser.add_argument("--steps", type=int, default=0, help="sampling steps; default: the model's")
    parser.add_argument("--guidance", type=float, default=-1.0, help="guidance scale; default: the model's")
    parser.add_argument("--seed", type=int, default=-1, help="same seed, same picture; default: drawn")
    parser.add_argument("--takes", type=int, default=1, help="how many pictures: seed, seed+1, …")
    parser.add_argument("--image", type=Path, help="a picture to paint over")
    parser.add_argument("--strength", type=float, help="0 … 1: how much of the picture is repainted")
    parser.add_argument(
        "--mask", type=Path, help="a picture of the same size: white is repainted, black kept"
    )
    parser.add_argument(
        "--fill",
        choices=FILL_MODES,
        default="",
        help="what stands under the mask at the start (default: by strength)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")


def run(options: argparse.Namespace) -> int:
    request = request_of(options)
    painting.targets(options.out, max(1, request.takes))
    picture = images.load_picture(options.image) if options.image else None
    mask = images.load_mask(options.mask, picture.width, picture.height) if options.mask and picture else None
    with servers.connect() as session:
        image_ref = painting.send(session, picture) if picture else None
        mask_ref = painting.send(session, mask) if mask else None
        layers = painting.paint(session, painting.with_inputs(request, image_ref, mask_ref))
        for path, info in painting.write_all(session, layers, options.out, picture):
            print(f"{path}  seed {info.recipe.request.seed}")
    return 0


def request_of(options: argparse.Namespace) -> GenerateRequest:
    """The request without its pictures. Raises `BadValue` for options that contradict each other."""
    if options.mask and not options.image:
        raise BadValue("--mask says where to paint in a picture. Give the picture with --image.")
    if options.fill and not options.mask:
        raise BadValue("--fill is for the part under a mask. Give the mask with --mask.")
    if options.strength is not None and not options.image:
        raise BadValue("--strength is for painting over a picture. Give the picture with --image.")
    if options.size and options.image:
        raise BadValue(
            "--size is for pictures from words alone; with --image the result has the picture's size."
        )
    width, height = _size(options.size)
    return GenerateRequest(
        prompt=options.prompt,
        negative=options.negative,
        model=options.model,
        width=width,
        height=height,
        steps=options.steps,
        guidance=options.guidance,
        seed=options.seed,
        strength=_strength(options),
        fill=options.fill,
        takes=options.takes,
    )


def _strength(options: argparse.Namespace) -> float:
    """Inpainting repaints fully; over a whole picture that would leave nothing of it."""
    if options.strength is not None:
        return float(options.strength)
    return 0.6 if options.image and not options.mask else 1.0


def _size(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    match = re.fullmatch(r"(\d{1,5})[x×X](\d{1,5})", text)
    if match is None:
        raise BadValue(f"--size must look like 512x512, not {text!r}.")
    return int(match[1]), int(match[2])
