"""What a request means: every choice made, and what cannot be done refused with a sentence."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from impasto_protocol import errors
from impasto_protocol.messages import FILL_MODES, LARGEST_SCALE, GenerateRequest

from impasto_server.compositing.fill import default_fill
from impasto_server.engine.interface import Input
from impasto_server.models.folder import ModelFolder

# Seeds that the server draws are short enough to be read out and typed.
_DRAWN_SEEDS = 2**32


def resolved(request: GenerateRequest, source: ModelFolder, pictures: Mapping[str, Input]) -> GenerateRequest:
    """The request with every choice made. Raises `BadValue`, `SizeMismatch`, `EmptyPrompt`."""
    check_numbers(request)
    info = source.info
    image, mask = pictures.get("image"), pictures.get("mask")
    controls = [pictures.get(f"control {number}") for number in range(1, len(request.controls) + 1)]
    if mask is not None and image is None:
        raise errors.BadValue("A mask selects a part of a picture. Send the picture as well.")
    if image is None and not request.prompt.strip():
        raise errors.EmptyPrompt("Describe what to paint: a picture from nothing needs a prompt.")
    frame = image or next(iter(controls), None)
    width = request.width or (frame.ref.width if frame else info.native_px)
    height = request.height or (frame.ref.height if frame else info.native_px)
    if image is not None and (width, height) != (image.ref.width, image.ref.height):
        if mask is not None:
            raise errors.SizeMismatch(
                f"The picture is {image.ref.width}×{image.ref.height} px, the request asks for "
                f"{width}×{height}. Leave the size open, or scale picture and mask first."
            )
        _check_scale(request, (image.ref.width, image.ref.height), (width, height))
    _check_controls(request, controls, (width, height))
    return replace(
        request,
        model=info.model,
        width=width,
        height=height,
        steps=request.steps or info.default_steps,
        guidance=info.default_guidance if request.guidance < 0 else request.guidance,
        seed=secrets.randbelow(_DRAWN_SEEDS) if request.seed < 0 else request.seed,
        fill=request.fill or (default_fill(request.strength) if mask else ""),
    ).with_pictures({role: given.ref for role, given in pictures.items()})


def _check_scale(request: GenerateRequest, given: tuple[int, int], asked: tuple[int, int]) -> None:
    """Whether a picture of the `given` (width, height) can be made as large as `asked`. Raises
    `SizeMismatch`, `BadValue`."""
    sizes = f"The picture is {given[0]}×{given[1]} px, the request asks for {asked[0]}×{asked[1]}."
    if not all(side <= other <= LARGEST_SCALE * side for side, other in zip(given, asked, strict=True)):
        raise errors.SizeMismatch(f"{sizes} Upscaling makes a picture 1 to {LARGEST_SCALE} times as large.")
    off_px = abs(asked[0] * given[1] - asked[1] * given[0])  # times the given width or height
    if off_px > max(given):
        raise errors.SizeMismatch(f"{sizes} Upscaling keeps the proportions: scale both sides alike.")
    if request.controls:
        raise errors.BadValue("Control images cannot steer upscaling. Leave them out.")


def _check_controls(request: GenerateRequest, inputs: Sequence[Input | None], size: tuple[int, int]) -> None:
    for control, given in zip(request.controls, inputs, strict=True):
        if given is None:
            raise errors.BadValue("Each control needs its image. Send the control images as well.")
        if (given.ref.width, given.ref.height) != size:
            raise errors.SizeMismatch(
                f"The {control.kind} image is {given.ref.width}×{given.ref.height} px and the picture "
                f"{size[0]}×{size[1]}. Make them the same size."
            )


def check_numbers(request: GenerateRequest) -> None:
    rules: tuple[tuple[bool, str], ...] = (
        (0.0 <= request.strength <= 1.0, "The strength must lie between 0 and 1."),
        (request.guidance <= 100.0, "The guidance must be a number up to 100."),  # also refuses NaN
        (request.steps >= 0, "The number of steps must not be negative."),
        (request.steps <= 1000, "Models have at most 1000 steps; 20 to 50 are usual."),
        (request.takes >= 1, "Ask for at least one take."),
        (request.width >= 0 and request.height >= 0, "The size must not be negative."),
        (request.seed < 2**63, "The seed must be below 2^63."),
        (
            all(0.0 <= one.strength <= 2.0 for one in request.controls),
            "The strength of a control must lie between 0 and 2.",
        ),
        (
            all(0.0 <= one.start < one.end <= 1.0 for one in request.controls),
            "A control must start before it ends, both between 0 and 1.",
        ),
        (
            all(-4.0 <= one.strength <= 4.0 for one in request.loras),
            "The strength of a LoRA must lie between -4 and 4.",
        ),
        (
            len({one.name for one in request.loras}) == len(request.loras),
            "A LoRA is named twice. Name it once, with the strengths added.",
        ),
        (request.fill in ("", *FILL_MODES), f"There is no such fill. Use one of: {', '.join(FILL_MODES)}."),
    )
    for holds, sentence in rules:
        if not holds:
            raise errors.BadValue(sentence)
