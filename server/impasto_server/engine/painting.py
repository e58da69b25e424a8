"""One job at work on one model: the stages every kind of job is made of.

Each stage meets the step gate through the hooks, climbs down the out-of-memory ladder by itself and may be
repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, lcm
from typing import Any, TypeVar

import numpy as np
import torch
from impasto_protocol.errors import BadModel

from impasto_server.compositing.raster import FloatArray
from impasto_server.engine import loading
from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.control_images import Guides
from impasto_server.engine.gate_hooks import Agree, Held, SteeredScheduler
from impasto_server.engine.interface import StepGate
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import Tier, attempt, last_tier
from impasto_server.engine.piecewise import Piecewise
from impasto_server.families import Hint

Result = TypeVar("Result")

# Fewer steps than this cannot take a picture anywhere: weak img2img runs that many of a longer schedule.
LEAST_STEPS = 4


@dataclass(frozen=True)
class Schedule:
    """`run` denoising steps are the last ones of a schedule of `total`."""

    total: int
    run: int

    @property
    def strength(self) -> float:
        """What makes a stock img2img pipeline, which cuts off int(total × strength) steps, run exactly
        `run`.
        """
        return 1.0 if self.run == self.total else (self.run + 0.5) / self.total


def schedule(steps: int, strength: float, longest: int) -> Schedule:
    """Which steps an img2img pass of `strength` (above 0, up to 1) runs: from step round(N·(1 − strength))
    on.

    N is `steps`, scaled up so that at least `LEAST_STEPS` run (or `steps`, if that is fewer), within the
    sampler's `longest` schedule: for 20 steps, strength 0.1 runs the last 4 of 40, 0.3 6 of 20, 0.9 18 of 20.
    """
    total = min(max(steps, ceil(min(LEAST_STEPS, steps) / strength - 1e-9)), max(longest, 1))
    return Schedule(total, max(total - round(total * (1.0 - strength)), 1))


@dataclass(frozen=True, eq=False)
class Together:
    """Several pictures of one size that are sampled at once and told of each other: see
    `SteeredScheduler.agree`. prompts: one for each picture.
    """

    prompts: Sequence[str]
    agree: Agree


@dataclass(eq=False)
class Painting:
    """A job's own state. `steps_planned` of `progress` count over all passes and takes."""

    model: LoadedModel
    gate: StepGate
    prompt: str
    negative: str
    guidance: float
    steps: int
    adaptation: Adaptation = field(default_factory=Adaptation)
    guides: Guides = field(default_factory=Guides)
    tier: Tier = Tier.FULL
    steps_done: int = 0
    steps_planned: int = 0
    previews: bool = True

    def before_forward(self, module: str) -> None:
        """See `gate_hooks.SteppedJob`."""
        self.gate.check()
        self._set_up(module)

    def _set_up(self, module: str) -> None:
        self.model.set_up(self.tier, module, self.adaptation)

    def plan(self, strength: float) -> Schedule:
        """The schedule of one pass of this job over a picture."""
        config = self.model.components.scheduler.config
        longest = config.get("original_inference_steps") or config.get("num_train_timesteps") or 1000
        return schedule(self.steps, strength, longest)

    def encode(self, picture: FloatArray) -> torch.Tensor:
        """z₀ of a picture (h, w, 3) float32 0..1, sides multiples of the grid: (1, C, h/f, w/f)."""
        self.gate.report("encoding", self.steps_done, self.steps_planned)

        def work() -> torch.Tensor:
            self._set_up("vae")
            return loading.encode(self.model.modules["vae"], picture)

        return self._attempt(work, "reading the picture")

    def from_noise(self, size: tuple[int, int], seed: int, hints: Sequence[Hint] = ()) -> torch.Tensor:
        """Latents of a new picture of `size` (width, height): all steps, from pure noise. `hints`: the
        control images at that size.
        """
        return self._sample(self.steps, None, seed, {"width": size[0], "height": size[1]}, hints)

    def from_picture(
        self,
        latents: torch.Tensor,
        strength: float,
        seed: int,
        release: Callable[[int], FloatArray] | None = None,
        hints: Sequence[Hint] = (),
        noise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Latents of a repainted picture. `release` makes the soft mask for a number of steps
        (`WorkPass.release`). `hints`: the control images at the picture's size. `noise`, of the latents'
        shape: instead of what `seed` gives.
        """
        plan = self.plan(strength)
        held = Held(release(plan.run)) if release is not None else None
        arguments = {"image": latents, "strength": plan.strength}
        return self._sample(plan.run, held, seed, arguments, hints, plan.total, noise)

    def from_noise_together(
        self,
        size: tuple[int, int],
        seed: int,
        noise: torch.Tensor,
        together: Together,
        hints: Sequence[Hint] = (),
    ) -> torch.Tensor:
        """As `from_noise`: latents (B, C, h, w) of all pictures, which start from `noise`. The hints' images
        have B rows.
        """
        latents = noise.to(loading.working_dtype(self.model.device))
        arguments = {"width": size[0], "height": size[1], "latents": latents}
        return self._sample(self.steps, None, seed, arguments, hints, together=together)

    def from_pictures_together(
        self,
        latents: torch.Tensor,
        strength: float,
        seed: int,
        noise: torch.Tensor,
        together: Together,
        hints: Sequence[Hint] = (),
    ) -> torch.Tensor:
        """As `from_picture`, of B pictures."""
        plan = self.plan(strength)
        arguments = {"image": latents, "strength": plan.strength}
        return self._sample(plan.run, None, seed, arguments, hints, plan.total, noise, together)

    def decode(self, latents: torch.Tensor) -> FloatArray:
        """(h, w, 3) float32 0..1. Raises `BadModel` when the model's numbers left the range of its dtype."""
        self.gate.report("decoding", self.steps_done, self.steps_planned)

        def work() -> FloatArray:
            self._set_up("vae")
            return np.asarray(loading.decode(self.model.modules["vae"], latents), np.float32)

        picture = self._attempt(work, "finishing the picture")
        if not np.isfinite(picture).all():
            raise BadModel(
                f"“{self.model.source.info.title}” painted a broken picture (not a number). "
                "Lower the guidance, or use another copy of the model."
            )
        return picture

    def _sample(
        self,
        run: int,
        held: Held | None,
        seed: int,
        arguments: dict[str, Any],
        hints: Sequence[Hint],
        total: int | None = None,
        noise: torch.Tensor | None = None,
        together: Together | None = None,
    ) -> torch.Tensor:
        family, components = self.model.source.family, self.model.components
        start = self.steps_done
        embeds = self._embedded(together.prompts if together else (self.prompt,))
        pictures = len(together.prompts) if together else 1
        if together:
            hints = [replace(hint, net=Piecewise(hint.net, pictures)) for hint in hints]
        over_picture = "image" in arguments
        build = family.image_pipeline if over_picture else family.text_pipeline
        control = family.control_arguments(hints, over_picture) if hints else {}

        def on_step(index: int, estimate: torch.Tensor) -> None:
            self.steps_done = start + (index + 1) * pictures
            shown = (
                self.model.latent_preview.picture(estimate)
                if self.previews and self.gate.wants_preview()
                else None
            )
            self.gate.report("sampling", self.steps_done, self.steps_planned, shown)

        def work() -> torch.Tensor:
            self._set_up(family.denoiser)
            self.steps_done = start
            self.gate.report("sampling", start, self.steps_planned)
            agree = together.agree if together else None
            scheduler = SteeredScheduler(family.scheduler(components), run, on_step, held, noise, agree)
            pipeline = build(components, scheduler, hints)
            if together:
                denoiser = getattr(pipeline, family.denoiser)
                setattr(pipeline, family.denoiser, Piecewise(denoiser, pictures))
            latents: torch.Tensor = pipeline(
                **embeds,
                **arguments,
                **control,
                num_inference_steps=total or run,
                guidance_scale=self.guidance,
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="latent",
            ).images
            return latents

        return self._attempt(work, "painting this size")

    def _embedded(self, prompts: Sequence[str]) -> Mapping[str, Any]:
        def work() -> Mapping[str, Any]:
            read = [
                self.model.embedded(self.tier, prompt, self.negative, self.guidance, self.adaptation)
                for prompt in prompts
            ]
            return read[0] if len(read) == 1 else _stacked(read)

        return self._attempt(work, "reading the prompt")

    def _attempt(self, work: Callable[[], Result], what: str) -> Result:
        return attempt(work, self._step_down, what)

    def _step_down(self) -> Tier | None:
        if self.tier >= last_tier(self.model.device):
            return None
        self.tier = Tier(self.tier + 1)
        self.gate.report("saving memory", self.steps_done, self.steps_planned)
        return self.tier


def _stacked(read: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Embedded prompts as one batch. Shorter ones are repeated to the length of the longest: attention over
    the same words several times is attention over them once.
    """
    made: dict[str, Any] = {}
    for name, first in read[0].items():
        parts = [one[name] for one in read]
        if isinstance(first, torch.Tensor):
            if first.dim() == 3:
                length = lcm(*(part.shape[1] for part in parts))
                parts = [part.repeat(1, length // part.shape[1], 1) for part in parts]
            made[name] = torch.cat(parts)
        else:
            made[name] = first
    return made
