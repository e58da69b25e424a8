"""`impasto generate`."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path

from impasto_protocol.errors import BadValue
from impasto_protocol.messages import FILL_MODES, LARGEST_SCALE, Control, GenerateRequest, Lora

from impasto_server.cli import images, painting, servers
from impasto_server.cli.images import Picture

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_CONTROL = re.compile(
    rf"(?P<file>.+?):(?P<strength>{_NUMBER})(?::(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))?", re.DOTALL
)
_LORA = re.compile(rf"(?P<name>.+?)(?::(?P<strength>-?(?:{_NUMBER})))?", re.DOTALL)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", default="", help="what to paint; may be left out over a picture")
    parser.add_argument("--negative", default="", help="what to avoid")
    parser.add_argument("--model", default="pocket", help="a name from `impasto models`")
    parser.add_argument("--size", metavar="WxH", help="pixels, for pictures from words alone")
    parser.add_argument("--steps", type=int, default=0, help="sampling steps; default: the model's")
    parser.add_argument("--guidance", type=float, default=-1.0, help="guidance scale; default: the model's")
    parser.add_argument("--seed", type=int, default=-1, help="same seed, same picture; default: drawn")
    parser.add_argument("--takes", type=int, default=1, help="how many pictures: seed, seed+1, …")
    parser.add_argument("--image", type=Path, help="a picture to paint over")
    parser.add_argument("--strength", type=float, help="0 … 1: how much of the picture is repainted")
    parser.add_argument("--scale", type=float, help="1 … 8: how many times as large the picture becomes")
    parser.add_argument(
        "--mask", type=Path, help="a picture of the same size: white is repainted, black kept"
    )
    parser.add_argument(
        "--fill",
        choices=FILL_MODES,
        default="",
        help="what stands under the mask at the start (default: by strength)",
    )
    parser.add_argument(
        "--control",
        action="append",
        default=[],
        metavar="KIND=FILE[:STRENGTH[:START-END]]",
        help="a picture to follow, e.g. scribble=sketch.png:0.8 or depth=room.png:1:0-0.5; may be repeated",
    )
    parser.add_argument(
        "--lora",
        action="append",
        default=[],
        metavar="NAME[:STRENGTH]",
        help="a LoRA from `impasto models`; may be repeated",
    )
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")


def run(options: argparse.Namespace) -> int:
    request = request_of(options)
    painting.targets(options.out, max(1, request.takes))
    pictures = _pictures(options)
    if options.scale is not None:
        picture = pictures["image"]
        width, height = (round(side * options.scale) for side in (picture.width, picture.height))
        request = replace(request, width=width, height=height)
    with servers.connect() as session:
        refs = {role: painting.send(session, picture) for role, picture in pictures.items()}
        layers = painting.paint(session, request.with_pictures(refs))
        for path, info in painting.write_all(session, layers, options.out, pictures.get("image")):
            print(f"{path}  seed {info.recipe.request.seed}")
    return 0


def _pictures(options: argparse.Namespace) -> dict[str, Picture]:
    """What the options name, by role. Raises `BadImage`, `SizeMismatch`, `ImageTooLarge`."""
    pictures = {}
    if options.image:
        picture = pictures["image"] = images.load_picture(options.image)
        if options.mask:
            pictures["mask"] = images.load_mask(options.mask, picture.width, picture.height)
    for number, text in enumerate(options.control, 1):
        pictures[f"control {number}"] = images.load_picture(control_of(text)[1])
    return pictures


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
    if options.scale is not None and (options.mask or not options.image):
        raise BadValue("--scale is for a whole picture. Give it with --image, and no mask.")
    if options.scale is not None and not 1.0 <= options.scale <= LARGEST_SCALE:
        raise BadValue(f"--scale must be from 1 to {LARGEST_SCALE}, not {options.scale}.")
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
        controls=tuple(control_of(text)[0] for text in options.control),
        loras=tuple(lora_of(text) for text in options.lora),
    )


def control_of(text: str) -> tuple[Control, Path]:
    """KIND=FILE[:STRENGTH[:START-END]], read from the right, since files may have colons in their names; a
    file that is there under the whole name is meant. Raises `BadValue`."""
    kind, equals, rest = text.partition("=")
    match = None if Path(rest).is_file() else _CONTROL.fullmatch(rest)
    if not kind or not equals or not rest:
        raise BadValue(f"--control must look like scribble=FILE or scribble=FILE:0.8:0-0.5, not {text!r}.")
    if match is None:
        return Control(kind), Path(rest).expanduser()
    start, end = (0.0, 1.0) if match["start"] is None else (float(match["start"]), float(match["end"]))
    return Control(kind, None, float(match["strength"]), start, end), Path(match["file"]).expanduser()


def lora_of(text: str) -> Lora:
    """NAME[:STRENGTH], read from the right. Raises `BadValue`."""
    match = _LORA.fullmatch(text)
    if match is None:
        raise BadValue(f"--lora must look like NAME or NAME:0.8, not {text!r}.")
    return Lora(match["name"], 1.0 if match["strength"] is None else float(match["strength"]))


def _strength(options: argparse.Namespace) -> float:
    """Inpainting repaints fully; over a whole picture that would leave nothing of it. A picture that is made
    larger only needs detail."""
    if options.strength is not None:
        return float(options.strength)
    if options.scale is not None:
        return 0.3
    return 0.6 if options.image and not options.mask else 1.0


def _size(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 0
    match = re.fullmatch(r"(\d{1,5})[x×X](\d{1,5})", text)
    if match is None:
        raise BadValue(f"--size must look like 512x512, not {text!r}.")
    return int(match[1]), int(match[2])
