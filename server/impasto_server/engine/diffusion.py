"""The engine a worker runs: finds models, keeps a few loaded, paints layers.

Importing this imports torch, diffusers and transformers, which takes seconds; only workers do.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from impasto_protocol import errors
from impasto_protocol.messages import FILL_MODES, LARGEST_SCALE, GenerateRequest, ModelInfo

from impasto_server.compositing.errors import CompositingError
from impasto_server.compositing.fill import default_fill
from impasto_server.config import Config
from impasto_server.engine import loading
from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.control_images import Guides, control_image
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.generate import text_to_image
from impasto_server.engine.image_to_image import image_to_image
from impasto_server.engine.inpaint import inpaint
from impasto_server.engine.interface import Input, Layer, StepGate
from impasto_server.engine.layers import canvas_of
from impasto_server.engine.maps import make_map
from impasto_server.engine.painting import Painting
from impasto_server.engine.shelf import Shelf
from impasto_server.engine.upscale import upscale
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.folder import ModelFolder

# Seeds that the server draws are short enough to be read out and typed.
_DRAWN_SEEDS = 2**32


@dataclass(eq=False)
class DiffusionEngine:
    """Implements `interface.Engine`. One per process, on one thread; `generate` may be entered again from its
    gate.
    """

    device: str
    home: Path
    _stack: JobStack = field(default_factory=JobStack)

    def __post_init__(self) -> None:
        self.home = Path(self.home)
        loading.quiet_and_offline()
        self._catalogue = Catalogue(self.home, Config.load(self.home).model_folders)
        self._shelf = Shelf(self.device, self._catalogue, self._stack)

    def models(self) -> list[ModelInfo]:
        """Pocket, then what lies in the model folders now."""
        return self._catalogue.infos()

    def generate(
        self,
        request: GenerateRequest,
        image: Input | None,
        mask: Input | None,
        gate: StepGate,
        controls: Sequence[Input] = (),
    ) -> Sequence[Layer]:
        """See `interface.Engine`. Same request, same inputs, same machine: same bytes, whatever ran before or
        meanwhile. Raises `RequestError` leaves, `OutOfMemory`, and `Cancelled` out of the gate."""
        if request.make_map:
            made = _map(request, image, gate)
            gate.deliver(made)
            return [made]
        source = self._catalogue.get(request.model)
        resolved = _resolved(request, source, image, mask, controls)
        gate.check()
        model = self._shelf.model(source, gate)
        adaptation = self._shelf.adaptation(model, resolved, gate)
        painting = Painting(
            model=model,
            gate=gate,
            prompt=resolved.prompt,
            negative=resolved.negative,
            guidance=resolved.guidance,
            steps=resolved.steps,
            adaptation=adaptation,
        )
        # A fortieth faster than no_grad where layers are small, and the same bytes.
        with self._stack.running(painting), torch.inference_mode():
            try:
                painting.guides = _guides(resolved, controls, adaptation)
                layers = []
                for layer in _paint(painting, resolved, image, mask):
                    gate.deliver(layer)
                    layers.append(layer)
                return layers
            except CompositingError as error:
                raise _as_protocol_error(error) from error


def _map(request: GenerateRequest, image: Input | None, gate: StepGate) -> Layer:
    if image is None:
        raise errors.BadValue("A control map is made from a picture. Send the picture as well.")
    gate.check()
    gate.report("compositing")
    return make_map(replace(request, image=image.ref), canvas_of(image))


def _paint(
    painting: Painting, request: GenerateRequest, image: Input | None, mask: Input | None
) -> Iterator[Layer]:
    if image is None:
        return text_to_image(painting, request)
    canvas = canvas_of(image)
    if mask is None and canvas.size != (request.width, request.height):
        return upscale(painting, request, canvas)
    if mask is None:
        return image_to_image(painting, request, canvas)
    return inpaint(painting, request, canvas, mask.pixels)


def _guides(request: GenerateRequest, inputs: Sequence[Input], adaptation: Adaptation) -> Guides:
    """The control images at work, each with its ControlNet; those of strength 0 have none."""
    at_work = [
        (one, given) for one, given in zip(request.controls, inputs, strict=True) if one.strength != 0.0
    ]
    images = [control_image(one.kind, given.pixels) for one, given in at_work]
    return Guides([one for one, _ in at_work], images, adaptation.modules)


def _resolved(
    request: GenerateRequest,
    source: ModelFolder,
    image: Input | None,
    mask: Input | None,
    controls: Sequence[Input],
) -> GenerateRequest:
    """The request with every choice made. Raises `BadValue`, `SizeMismatch`, `EmptyPrompt`."""
    _check_numbers(request)
    info = source.info
    if mask is not None and image is None:
        raise errors.BadValue("A mask selects a part of a picture. Send the picture as well.")
    if image is None and not request.prompt.strip():
        raise errors.EmptyPrompt("Describe what to paint: a picture from nothing needs a prompt.")
    frame = image or (controls[0] if controls else None)
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
        image=image.ref if image else None,
        mask=mask.ref if mask else None,
        fill=request.fill or (default_fill(request.strength) if mask else ""),
        controls=tuple(
            replace(one, image=given.ref) for one, given in zip(request.controls, controls, strict=True)
        ),
    )


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


def _check_controls(request: GenerateRequest, inputs: Sequence[Input], size: tuple[int, int]) -> None:
    if len(inputs) != len(request.controls):
        raise errors.BadValue("Each control needs its image. Send the control images as well.")
    for control, given in zip(request.controls, inputs, strict=True):
        if (given.ref.width, given.ref.height) != size:
            raise errors.SizeMismatch(
                f"The {control.kind} image is {given.ref.width}×{given.ref.height} px and the picture "
                f"{size[0]}×{size[1]}. Make them the same size."
            )


def _check_numbers(request: GenerateRequest) -> None:
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


_COMPOSITING: dict[str, Callable[[str], errors.ImpastoError]] = {
    "empty_mask": errors.EmptyMask,
    "mask_size": errors.SizeMismatch,
    "raster_format": errors.BadImage,
    "unknown_fill": errors.BadValue,
    "bad_generation": errors.BadModel,
}


def _as_protocol_error(error: CompositingError) -> errors.ImpastoError:
    return _COMPOSITING.get(error.code, errors.InternalError)(str(error))
