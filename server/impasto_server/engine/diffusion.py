"""The engine a worker runs: finds models, keeps a few loaded, paints layers.

Importing this imports torch, diffusers and transformers, which takes seconds; only workers do.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import torch
from impasto_protocol import errors
from impasto_protocol.messages import FILL_MODES, GenerateRequest, ModelInfo

from impasto_server.compositing.errors import CompositingError
from impasto_server.compositing.fill import default_fill
from impasto_server.config import Config
from impasto_server.engine import loading
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.generate import text_to_image
from impasto_server.engine.image_to_image import image_to_image
from impasto_server.engine.inpaint import inpaint
from impasto_server.engine.interface import Input, Layer, StepGate
from impasto_server.engine.layers import canvas_of
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import release_cached
from impasto_server.engine.painting import Painting
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.folder import ModelFolder

# Loaded models may take this share of the memory; the rest is for pictures, and on the CPU for other
# programs.
_MODELS_SHARE = 0.5
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
    _loaded: OrderedDict[str, LoadedModel] = field(
        default_factory=OrderedDict
    )  # by digest, least recently used first

    def __post_init__(self) -> None:
        self.home = Path(self.home)
        loading.quiet_and_offline()
        self._catalogue = Catalogue(self.home, Config.load(self.home).model_folders)

    def models(self) -> list[ModelInfo]:
        """Pocket, then what lies in the model folders now."""
        return self._catalogue.infos()

    def generate(
        self, request: GenerateRequest, image: Input | None, mask: Input | None, gate: StepGate
    ) -> Sequence[Layer]:
        """See `interface.Engine`. Same request, same inputs, same machine: same bytes, whatever ran before or
        meanwhile. Raises `RequestError` leaves, `OutOfMemory`, and `Cancelled` out of the gate."""
        source = self._catalogue.get(request.model)
        resolved = _resolved(request, source, image, mask)
        gate.check()
        model = self._model(source, gate)
        painting = Painting(
            model=model,
            gate=gate,
            prompt=resolved.prompt,
            negative=resolved.negative,
            guidance=resolved.guidance,
            steps=resolved.steps,
        )
        # A fortieth faster than no_grad where layers are small, and the same bytes.
        with self._stack.running(painting), torch.inference_mode():
            try:
                return _paint(painting, resolved, image, mask)
            except CompositingError as error:
                raise _as_protocol_error(error) from error

    def _model(self, source: ModelFolder, gate: StepGate) -> LoadedModel:
        digest = self._catalogue.digest(source)
        model = self._loaded.get(digest)
        if model is None:
            gate.report("loading")
            self._make_room(source)
            model = self._load(source, digest)
            self._loaded[digest] = model
        self._loaded.move_to_end(digest)
        return model

    def _load(self, source: ModelFolder, digest: str) -> LoadedModel:
        """Loads; when memory does not suffice, once more with all other models off the device."""
        try:
            return loading.load(source, digest, self.device, self._stack)
        except errors.OutOfMemory:
            if not self._loaded:
                raise
        for digest_of_other, other in list(self._loaded.items()):
            other.rest()
            if other not in self._in_use():
                del self._loaded[digest_of_other]
        release_cached()
        return loading.load(source, digest, self.device, self._stack)

    def _make_room(self, source: ModelFolder) -> None:
        """Drops the models used longest ago until `source` fits the share, but none that a job in progress
        needs.
        """
        budget = int(_memory_bytes(self.device) * _MODELS_SHARE)
        width = loading.working_dtype(self.device).itemsize
        held = sum(model.source.weight_values for model in self._loaded.values()) + source.weight_values
        for digest, model in list(self._loaded.items()):
            if held * width <= budget:
                return
            if model not in self._in_use():
                del self._loaded[digest]
                held -= model.source.weight_values
                del model
                release_cached()

    def _in_use(self) -> list[LoadedModel]:
        return [job.model for job in self._stack.jobs if isinstance(job, Painting)]


def _paint(
    painting: Painting, request: GenerateRequest, image: Input | None, mask: Input | None
) -> list[Layer]:
    if image is None:
        return text_to_image(painting, request)
    canvas = canvas_of(image)
    if mask is None:
        return image_to_image(painting, request, canvas)
    return inpaint(painting, request, canvas, mask.pixels)


def _resolved(
    request: GenerateRequest, source: ModelFolder, image: Input | None, mask: Input | None
) -> GenerateRequest:
    """The request with every choice made. Raises `BadValue`, `SizeMismatch`, `EmptyPrompt`."""
    _check_numbers(request)
    info = source.info
    if mask is not None and image is None:
        raise errors.BadValue("A mask selects a part of a picture. Send the picture as well.")
    if image is None and not request.prompt.strip():
        raise errors.EmptyPrompt("Describe what to paint: a picture from nothing needs a prompt.")
    width = request.width or (image.ref.width if image else info.native_px)
    height = request.height or (image.ref.height if image else info.native_px)
    if image is not None and (width, height) != (image.ref.width, image.ref.height):
        raise errors.SizeMismatch(
            f"The picture is {image.ref.width}×{image.ref.height} px, the request asks for {width}×{height}. "
            "Leave the size open, or scale the picture first."
        )
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


def _memory_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)
