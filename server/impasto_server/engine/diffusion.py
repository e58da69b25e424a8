"""The engine a worker runs: finds models, keeps a few loaded, paints layers.

Importing this imports torch, diffusers and transformers, which takes seconds; only workers do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from impasto_protocol import errors
from impasto_protocol.messages import GenerateRequest, LiveRequest, ModelInfo

from impasto_server.compositing.errors import CompositingError
from impasto_server.config import Config
from impasto_server.engine import loading
from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.control_images import Guides, control_image
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.generate import text_to_image
from impasto_server.engine.image_to_image import image_to_image
from impasto_server.engine.inpaint import inpaint
from impasto_server.engine.interface import Input, Layer, LiveSitting, StepGate
from impasto_server.engine.layers import canvas_of
from impasto_server.engine.live import Sitting
from impasto_server.engine.live_room import LiveRoom
from impasto_server.engine.maps import make_map
from impasto_server.engine.painting import Painting
from impasto_server.engine.resolving import resolved
from impasto_server.engine.shelf import Shelf
from impasto_server.engine.texture import TextureJob, controlled
from impasto_server.engine.upscale import upscale
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.folder import ModelFolder


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
        loading.imports()
        self._catalogue = Catalogue(self.home, Config.load(self.home).model_folders)
        self._shelf = Shelf(self.device, self._catalogue, self._stack)
        self._live = LiveRoom(self._shelf, self._stack)

    def models(self) -> list[ModelInfo]:
        """Pocket, then what lies in the model folders now."""
        return self._catalogue.infos()

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        """See `interface.Engine`. Same request, same inputs, same machine: same bytes, whatever ran before or
        meanwhile. Raises `RequestError` leaves, `OutOfMemory`, and `Cancelled` out of the gate."""
        if request.texture is not None:
            return self._textures(request, pictures, gate)
        if request.make_map:
            made = _map(request, pictures.get("image"), gate)
            gate.deliver(made)
            return [made]
        source = self._catalogue.get(request.model)
        job = resolved(request, source, pictures)
        painting = self._painting(source, job, gate)

        def paint() -> Iterator[Layer]:
            painting.guides = _guides(job, pictures, painting.adaptation)
            yield from _paint(painting, job, pictures)

        return self._painted(painting, paint)

    def _textures(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        if not request.needs_model:
            return _delivered(gate, TextureJob(request, pictures, gate, None).laid_on())
        source = self._catalogue.get(request.model)
        job = TextureJob(request, pictures, gate, source)
        kinds = tuple(self._catalogue.adapters.controls(source))
        painting = self._painting(source, controlled(job.request, kinds), gate)
        return self._painted(painting, lambda: job.painted(painting))

    def _painting(self, source: ModelFolder, job: GenerateRequest, gate: StepGate) -> Painting:
        """Everything loaded for a request with every choice made."""
        gate.check()
        announce = partial(gate.report, "loading")
        model = self._shelf.model(source, announce)
        adaptation = self._shelf.adaptation(model, job, announce)
        return Painting(
            model=model,
            gate=gate,
            prompt=job.prompt,
            negative=job.negative,
            guidance=job.guidance,
            steps=job.steps,
            adaptation=adaptation,
        )

    def _painted(self, painting: Painting, paint: Callable[[], Iterator[Layer]]) -> Sequence[Layer]:
        # A fortieth faster than no_grad where layers are small, and the same bytes.
        with self._stack.running(painting), torch.inference_mode():
            try:
                return _delivered(painting.gate, paint())
            except CompositingError as error:
                raise _as_protocol_error(error) from error

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        """See `interface.Engine`."""
        return Sitting(self._live, request, loading)


def _delivered(gate: StepGate, layers: Iterator[Layer]) -> Sequence[Layer]:
    """Hands each layer over as soon as it is finished."""
    finished = []
    for layer in layers:
        gate.deliver(layer)
        finished.append(layer)
    return finished


def _map(request: GenerateRequest, image: Input | None, gate: StepGate) -> Layer:
    if image is None:
        raise errors.BadValue("A control map is made from a picture. Send the picture as well.")
    gate.check()
    gate.report("compositing")
    return make_map(replace(request, image=image.ref), canvas_of(image))


def _paint(painting: Painting, request: GenerateRequest, pictures: Mapping[str, Input]) -> Iterator[Layer]:
    image, mask = pictures.get("image"), pictures.get("mask")
    if image is None:
        return text_to_image(painting, request)
    canvas = canvas_of(image)
    if mask is None and canvas.size != (request.width, request.height):
        return upscale(painting, request, canvas)
    if mask is None:
        return image_to_image(painting, request, canvas)
    return inpaint(painting, request, canvas, mask.pixels)


def _guides(request: GenerateRequest, pictures: Mapping[str, Input], adaptation: Adaptation) -> Guides:
    """The control images at work, each with its ControlNet; those of strength 0 have none."""
    at_work = [
        (one, pictures[f"control {number}"])
        for number, one in enumerate(request.controls, 1)
        if one.strength != 0.0
    ]
    images = [control_image(one.kind, given.pixels) for one, given in at_work]
    return Guides([one for one, _ in at_work], images, adaptation.modules)


_COMPOSITING: dict[str, Callable[[str], errors.ImpastoError]] = {
    "empty_mask": errors.EmptyMask,
    "mask_size": errors.SizeMismatch,
    "raster_format": errors.BadImage,
    "unknown_fill": errors.BadValue,
    "bad_generation": errors.BadModel,
}


def _as_protocol_error(error: CompositingError) -> errors.ImpastoError:
    return _COMPOSITING.get(error.code, errors.InternalError)(str(error))
