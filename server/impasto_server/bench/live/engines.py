"""Engines of the bench: the product's own, and beside it what is measured against. The part that knows
torch."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from impasto_protocol.messages import GenerateRequest, LiveRequest, Pixels
from PIL import Image

from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.diffusion import DiffusionEngine
from impasto_server.engine.interface import Input, Layer, LiveFrame, LiveSitting, Raster, StepGate
from impasto_server.engine.loading import LoadedModel

__all__ = ["Counting", "Taking", "Unyielding"]

KeepOn = Callable[[int, int], bool]


class Unyielding(DiffusionEngine):
    """Pre-emption off: a job's gate lets nobody in. (It does not look for a cancel either; the bench sends
    none.)"""

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        return super().generate(request, pictures, _Shut(gate))


class _Shut:
    """A step gate that stays shut, and tells what it is told."""

    def __init__(self, gate: StepGate) -> None:
        self._gate = gate

    def check(self) -> None: ...

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: Pixels | None = None) -> None:
        self._gate.report(stage, step, steps, preview)

    def wants_preview(self) -> bool:
        return False

    def deliver(self, layer: Layer) -> None:
        self._gate.deliver(layer)


class Counting(DiffusionEngine):
    """Frames carry two counts among their stages: `passes` of the text encoder so far, and memory `blocks`
    that Python has allocated."""

    passes = 0
    _watched: LoadedModel | None = None

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        sitting = super().sit(request, loading)
        model = _model(self)
        if model is not self._watched:
            self._watched = model
            model.modules["text_encoder"].register_forward_pre_hook(self._count)
        return _Counted(sitting, self)

    def _count(self, *_: Any) -> None:
        self.passes += 1


class _Counted:
    def __init__(self, sitting: LiveSitting, engine: Counting) -> None:
        self._sitting = sitting
        self._engine = engine

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: KeepOn,
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        frame = self._sitting.paint(image, mask, controls, keep_on, refined=refined)
        if frame is None:
            return None
        counts = {"passes": float(self._engine.passes), "blocks": float(sys.getallocatedblocks())}
        return LiveFrame(frame.pixels, {**frame.stages, **counts})


class Taking(DiffusionEngine):
    """Takes turns, in one process: a live frame as ever; then nothing but its modules' forwards, told as
    stage `bare`; then the stock pipeline on the modules that jobs share, called as its users call it, PIL
    image in, PIL image out, as `stock`; then the forwards of these, as `stock bare`. Milliseconds."""

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        return _Turns(super().sit(request, loading), self, request)


class _Turns:
    def __init__(self, sitting: LiveSitting, engine: Taking, request: LiveRequest) -> None:
        self._sitting = sitting
        self._engine = engine
        self._request = request
        self._turn = 0
        self._steps = 0  # of a frame
        self._frame: LiveFrame | None = None
        self._live: _Forwards | None = None
        self._shared: _Forwards | None = None
        self._stock: Any = None

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: KeepOn,
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        def noting(done: int, steps: int) -> bool:
            self._steps = steps
            return keep_on(done, steps)

        if self._live is None or self._shared is None or self._frame is None:
            frame = self._sitting.paint(image, mask, controls, noting, refined=refined)
            self._watch()
            self._frame = self._sitting.paint(image, mask, controls, noting, refined=refined)
            return frame
        turn, self._turn = self._turn % 4, self._turn + 1
        if turn == 0:
            self._frame = self._sitting.paint(image, mask, controls, noting, refined=refined)
            return self._frame
        if turn == 1:
            took = {"bare": self._live.took_ms(self._steps)}
        elif turn == 2:
            took = {"stock": self._stock_ms(image)}
        else:
            took = {"stock bare": self._shared.took_ms(self._steps)}
        return LiveFrame(self._frame.pixels, took)

    def _watch(self) -> None:
        model = _model(self._engine)
        parts = self._engine._live.ateliers[model].parts.at_work(Adaptation())
        self._live = _Forwards(parts.denoiser, parts.vae)
        self._shared = _Forwards(model.denoiser, model.modules["vae"])
        self._stock = _stock_pipeline(model)

    def _stock_ms(self, image: Raster) -> float:
        assert self._live is not None
        request, picture = self._request, Image.fromarray(image[:, :, :3])
        begin = time.perf_counter()
        self._stock(
            request.prompt,
            image=picture,
            strength=request.strength,
            num_inference_steps=round(self._steps / request.strength),
            guidance_scale=7.5 if self._live.guided else 1.0,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        )
        return 1000.0 * (time.perf_counter() - begin)


class _Forwards:
    """Calls a denoiser and an autoencoder with what they were last called with, and nothing between."""

    def __init__(self, denoiser: Any, vae: Any) -> None:
        self._denoiser, self._vae = denoiser, vae
        self._given: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._watch(denoiser, "denoiser")
        self._watch(vae.encoder, "encoder")
        self._watch(vae.decoder, "decoder")

    @property
    def guided(self) -> bool:
        return int(self._given["denoiser"][0][0].shape[0]) == 2

    def took_ms(self, steps: int) -> float:
        """Milliseconds of one encode, `steps` denoiser calls and one decode."""
        (pixels, *_), _ = self._given["encoder"]
        (latents, *_), _ = self._given["decoder"]
        arguments, named = self._given["denoiser"]
        with torch.inference_mode():
            begin = time.perf_counter()
            self._vae.encode(pixels)
            for _ in range(steps):
                self._denoiser(*arguments, **named)
            self._vae.decode(latents, return_dict=False)
            return 1000.0 * (time.perf_counter() - begin)

    def _watch(self, module: Any, name: str) -> None:
        def before(_module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            self._given[name] = arguments, named

        module.register_forward_pre_hook(before, with_kwargs=True)


def _model(engine: DiffusionEngine) -> LoadedModel:
    """The model that was used last."""
    return next(reversed(engine._shelf.models.values()))


def _stock_pipeline(model: LoadedModel) -> Any:
    import diffusers

    parts = model.components
    pipeline = diffusers.StableDiffusionImg2ImgPipeline(
        **parts.modules,
        **parts.other,
        scheduler=copy.deepcopy(parts.scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
