"""Live sessions: canvases in, previews out, as fast as the device can.

A sitting knows its model, its adapters and its prompt; a `FrameLoop` has the buffers and the kernels. Loops
belong to the engine and are lent to sittings frame by frame: what a sitting left there stays, and only what
differs is written. So a new strength is a few numbers, a new seed a few kilobytes, and a new prompt one pass
of the text encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor
from typing import Any

import numpy as np
import torch
from impasto_protocol.errors import BadModel, BadValue
from impasto_protocol.messages import Control, GenerateRequest, LiveControl, LiveRequest

from impasto_server.compositing.geometry import Box
from impasto_server.compositing.raster import FloatArray, Raster
from impasto_server.engine.control_images import control_image
from impasto_server.engine.frame_loop import FrameShape
from impasto_server.engine.interface import LiveFrame
from impasto_server.engine.linear_sampler import LinearSampler
from impasto_server.engine.live_input import (
    Followed,
    LiveMask,
    Size,
    check_size,
    live_mask,
    show,
    working_size,
)
from impasto_server.engine.live_room import Borrowed, Lent, LiveRoom
from impasto_server.engine.live_schedule import live_sampler
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import Tier, attempt
from impasto_server.engine.resolving import check_numbers
from impasto_server.engine.stopwatch import Stopwatch
from impasto_server.families.few_steps import FewSteps, few_steps

KeepOn = Callable[[int, int], bool]


@dataclass(frozen=True, eq=False)
class Manner:
    """How frames are sampled. embedded: the prompts, as `LoadedModel.embedded` returns them."""

    sampler: LinearSampler
    guidance: float
    embedded: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Scene:
    """What one frame shows. masked: only a part may change, the selection; None if that is empty. hints: of
    the controls at work, (h, w, 3) float32 0..1.
    """

    image: Raster
    size: Size
    masked: bool
    selection: LiveMask | None
    hints: Sequence[FloatArray]


class Sitting:
    """Implements `interface.LiveSitting`."""

    def __init__(self, room: LiveRoom, request: LiveRequest, announce: Callable[[], None]) -> None:
        """`announce` is called when something has to be loaded, also later. Raises `BadValue`,
        `UnknownModel`, `BadModel`, `OutOfMemory`."""
        self._room, self._request, self._job = room, request, as_job(request)
        self._announce = announce
        check_numbers(self._job)
        self._source = room.shelf.catalogue.get(request.model)
        if "live" not in self._source.info.capabilities:
            raise BadValue(f"“{self._source.info.title}” cannot paint live previews. Choose another model.")
        self._held: Borrowed | None = self._borrow(announce)
        room.sittings.add(self)
        self._choice = self._few_steps()
        factor = self._source.family.latent_factor
        self._masks = Followed(lambda pixels, size: live_mask(pixels, size, factor))
        self._controls = [_Steering(one) for one in request.controls]
        self._manners: dict[int, Manner] = {}
        self._conditioning: dict[tuple[Manner, Size], dict[str, Any]] = {}
        self._preview = np.zeros((0, 0, 3), np.uint8)
        if request.strength > 0.0:
            self._manner(refined=False)

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: KeepOn,
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        """See `interface.LiveSitting`. Raises `BadImage`, `SizeMismatch`, `BadModel`, `OutOfMemory`."""
        scene = self._scene(image, mask, controls)
        if self._preview.shape[1::-1] != scene.size:
            self._preview = np.zeros((scene.size[1], scene.size[0], 3), np.uint8)
        if self._request.strength == 0.0 or (scene.masked and scene.selection is None):
            show(image, self._preview)
            return LiveFrame(self._preview, {})
        borrowed = self._borrowed
        with self._room.stack.running(borrowed), torch.inference_mode():
            return attempt(
                lambda: self._paint(borrowed, scene, keep_on, refined),
                lambda: None,
                "live previews of this size",
            )

    def _paint(self, borrowed: Borrowed, scene: Scene, keep_on: KeepOn, refined: bool) -> LiveFrame | None:
        manner = self._manner(refined)
        lent = self._room.lend(borrowed, self._shape(manner, scene))
        loop = lent.loop
        with loop.at_work():
            watch = Stopwatch(loop.parts.device)
            if self._dress(lent, manner, scene):
                watch.lap("preparing")
            if lent.graphs is not None:
                lent.graphs.check(borrowed.worn)
            show(scene.image, loop.picture)
            if not loop.run(keep_on, watch.lap):
                return None
            if not loop.finite:
                raise BadModel(
                    f"“{self._source.info.title}” painted a broken picture (not a number). "
                    "Lower the guidance, or use another copy of the model."
                )
            if lent.graphs is not None:
                lent.graphs.capture_next()
        if scene.selection is not None:
            scene.selection.keep(loop.picture, loop.painted)
        np.copyto(self._preview, loop.painted)
        return LiveFrame(self._preview, watch.stages())

    def let_go(self, model: LoadedModel) -> None:
        """The shelf drops this model; if it is ours, the next frame takes it out again."""
        if self._held is not None and self._held.model is model:
            self._held = None

    # ── what is the same for many frames ─────────────────────────────────────────────────────────────────

    @property
    def _borrowed(self) -> Borrowed:
        if self._held is None or not self._room.shelf.holds(self._held):
            self._held = self._borrow(self._announce)
        return self._held

    def _borrow(self, announce: Callable[[], None]) -> Borrowed:
        shelf = self._room.shelf
        model = shelf.model(self._source, announce)
        return Borrowed(model, shelf.adaptation(model, self._job, announce))

    def _few_steps(self) -> FewSteps:
        info, scheduler = self._source.info, self._borrowed.model.components.scheduler
        worn = [one.name for one in self._request.loras if one.strength != 0.0]
        return few_steps([*worn, info.model, info.title], type(scheduler).__name__, scheduler.config)

    def _manner(self, refined: bool) -> Manner:
        """The same sampler for both, so that refining changes detail and not the picture."""
        request, choice, info = self._request, self._choice, self._source.info
        steps = request.steps or choice.steps
        run = max(_part(steps, request.strength), 0 if request.steps else choice.least)
        if refined:
            most = 2 * steps if choice.distilled else max(info.default_steps, steps)
            run = max(
                _part(request.refine_steps if request.refine_steps > 0 else most, request.strength), run
            )
        if run not in self._manners:
            borrowed = self._borrowed
            model, adaptation = borrowed.model, borrowed.adaptation
            usual = info.default_guidance if choice.guidance is None else choice.guidance
            guidance = usual if request.guidance < 0.0 else request.guidance
            sampler = live_sampler(choice, model.components.scheduler, run, request.strength)
            with self._room.stack.running(borrowed):
                embedded = model.embedded(Tier.FULL, request.prompt, request.negative, guidance, adaptation)
            self._manners[run] = Manner(sampler, guidance, embedded)
        return self._manners[run]

    def _conditioned(self, manner: Manner, size: Size) -> dict[str, Any]:
        key = (manner, size)
        if key not in self._conditioning:
            self._conditioning[key] = self._source.family.conditioning(
                self._borrowed.model.components, manner.embedded, manner.guidance, size
            )
        return self._conditioning[key]

    # ── what is new with a frame ─────────────────────────────────────────────────────────────────────────

    def _scene(self, image: Raster, mask: Raster | None, controls: Sequence[Raster]) -> Scene:
        native_px, grid = self._source.info.native_px, self._source.family.grid
        size = working_size((image.shape[1], image.shape[0]), self._request.longest_px, native_px, grid)
        selection = None
        if mask is not None:
            check_size("mask", mask, image)
            selection = self._masks.at(mask, size)
        hints = []
        for steering, pixels in zip(self._controls, controls, strict=True):
            check_size(f"{steering.control.kind} image", pixels, image)
            if steering.control.strength != 0.0:
                hints.append(steering.followed.at(pixels, size))
        return Scene(image, size, mask is not None, selection, hints)

    def _shape(self, manner: Manner, scene: Scene) -> FrameShape:
        steps = len(manner.sampler.steps)
        nets = tuple(
            tuple(number for number, one in enumerate(self._steering()) if one.steers(index, steps))
            for index in range(steps)
        )
        guided = len(self._conditioned(manner, scene.size)["encoder_hidden_states"]) == 2
        return FrameShape(*scene.size, steps, manner.sampler.noises, guided, scene.masked, nets)

    def _dress(self, lent: Lent, manner: Manner, scene: Scene) -> bool:
        """Writes what the loop does not hold yet; whether there was anything."""
        loop, selection = lent.loop, scene.selection
        conditioning = self._conditioned(manner, scene.size)
        written = [
            lent.hold("sampler", manner, lambda: loop.use_sampler(manner.sampler, manner.guidance)),
            lent.hold("seed", self._request, lambda: loop.use_seed(self._request.seed)),
            lent.hold("prompt", conditioning, lambda: loop.use_conditioning(conditioning)),
        ]
        if selection is not None:
            written.append(lent.hold("mask", selection, lambda: loop.use_mask(selection.release)))
        for number, (steering, hint) in enumerate(zip(self._steering(), scene.hints, strict=True)):
            strength = steering.control.strength
            written.append(lent.hold(("hint", number), hint, partial(loop.use_hint, number, hint)))
            written.append(
                lent.hold(("strength", number), steering, partial(loop.use_strength, number, strength))
            )
        return any(written)

    def _steering(self) -> list[_Steering]:
        return [one for one in self._controls if one.control.strength != 0.0]


@dataclass(eq=False)
class _Steering:
    """A control of the request, with its canvas as the ControlNet is shown it."""

    control: LiveControl

    def __post_init__(self) -> None:
        kind = self.control.kind

        def made(pixels: Raster, size: Size) -> FloatArray:
            whole = Box(0, 0, pixels.shape[1], pixels.shape[0])
            return control_image(kind, pixels).cut(whole, size, size)

        self.followed = Followed(made)

    def steers(self, index: int, steps: int) -> bool:
        """Whether it is at work in this step; as in diffusers' pipelines."""
        return not (index / steps < self.control.start or (index + 1) / steps > self.control.end)


def as_job(request: LiveRequest) -> GenerateRequest:
    """What a live request has in common with a job."""
    return GenerateRequest(
        prompt=request.prompt,
        negative=request.negative,
        model=request.model,
        steps=request.steps,
        guidance=request.guidance,
        seed=request.seed,
        strength=request.strength,
        controls=tuple(Control(one.kind, None, one.strength, one.start, one.end) for one in request.controls),
        loras=request.loras,
    )


def _part(steps: int, strength: float) -> int:
    """How many of a schedule's steps this strength runs."""
    return max(floor(steps * strength + 0.5), 1)
