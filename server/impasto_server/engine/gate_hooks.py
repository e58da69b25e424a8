"""The two seams through which every stock pipeline is steered.

1. `JobStack`: a forward pre-hook on the denoiser and on the autoencoder's encoder and decoder (so: between
   tiles) calls the step gate of the job on top of the stack. Jobs nest: a more urgent one runs *inside* the
   gate of the one it pre-empts, on the same modules.
2. `SteeredScheduler`: stands in for a scheduler and sees the latents after each `step`: previews, and the
   soft mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Protocol

import numpy as np
import torch

from impasto_server.compositing.masks import release_thresholds
from impasto_server.compositing.raster import FloatArray


class SteppedJob(Protocol):
    """What the stack needs of a job."""

    def before_forward(self, module: str) -> None:
        """Called before the part `module` ("unet", "vae", …) computes: meets the gate, and makes the shared
        modules as this job needs them, since a more urgent job may have changed them meanwhile."""
        ...


@dataclass
class JobStack:
    """The jobs in progress on this process' one thread, the innermost last. Shared by all models of an
    engine.
    """

    _jobs: list[SteppedJob] = field(default_factory=list)

    @contextmanager
    def running(self, job: SteppedJob) -> Iterator[None]:
        self._jobs.append(job)
        try:
            yield
        finally:
            self._jobs.pop()

    @property
    def jobs(self) -> tuple[SteppedJob, ...]:
        return tuple(self._jobs)

    def watch(self, module: torch.nn.Module, name: str) -> None:
        """Installs the hook on `module`, for as long as it lives. Without a job it does nothing."""

        def before(_module: torch.nn.Module, _inputs: tuple[Any, ...]) -> None:
            if self._jobs:
                self._jobs[-1].before_forward(name)

        module.register_forward_pre_hook(before)


@dataclass(frozen=True, eq=False)
class Held:
    """A soft mask: which latents stay on the known picture, and for how long.

    release: (h, w) float32 0..1, as `WorkPass.release(steps)` returns: 1 = free from the first step.
    """

    release: FloatArray


Agree = Callable[[int, torch.Tensor], torch.Tensor | None]


class SteeredScheduler:
    """Stands in for `scheduler` in a pipeline of `steps` denoising steps and behaves exactly like it, but

    * after each step `on_step(i, estimate)` is told the clean picture expected so far, latents (B, C, h, w);
    * with `held`, latents whose release value is below the step's threshold go back onto the known picture,
      at the
      noise level the latents then have: ``add_noise(z0, eps, timesteps[i + 1])``, and plain z₀ after the last
      step (differential diffusion, Levin and Fried 2023). z₀ and ε are those the pipeline itself noised its
      picture with;
    * with `noise`, (1, C, h, w), the pipeline's picture is noised with that instead of what it drew;
    * with `agree`, the clean picture that a step expects, (B, C, h, w), is replaced by what `agree(i, it)`
      makes of it, and the step goes from there: the model's output is rewritten to say so, whatever it
      predicts (None: nothing is replaced).
    """

    def __init__(
        self,
        scheduler: Any,
        steps: int,
        on_step: Callable[[int, torch.Tensor], None],
        held: Held | None = None,
        noise: torch.Tensor | None = None,
        agree: Agree | None = None,
    ) -> None:
        self._inner = scheduler
        self._steps = steps
        self._on_step = on_step
        self._held = held
        self._noise = noise
        self._agree = agree
        self._done = 0
        self._known: tuple[torch.Tensor, torch.Tensor] | None = None

        # Pipelines read the signature to learn whether `eta` and `generator` may be passed.
        @wraps(scheduler.step)
        def step(*args: Any, **kwargs: Any) -> Any:
            return self._step(*args, **kwargs)

        self.step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def add_noise(
        self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> torch.Tensor:
        """Notes z₀ and ε on the way."""
        if self._noise is not None:
            noise = self._noise.to(noise)
        self._known = (original_samples, noise)
        return self._inner.add_noise(original_samples, noise, timesteps)

    def _step(
        self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *args: Any, **kwargs: Any
    ) -> Any:
        wants_object = kwargs.pop("return_dict", True)
        if self._agree is not None:
            model_output = self._agreed(model_output, timestep, sample, self._agree)
        output = self._inner.step(model_output, timestep, sample, *args, return_dict=True, **kwargs)
        index, self._done = self._done, self._done + 1
        latents = output.prev_sample
        if self._held is not None:
            latents = self._hold(latents, index, self._held)
        self._on_step(index, _estimate(self._inner, output))
        if not wants_object:
            return (latents,)
        output.prev_sample = latents
        return output

    def _agreed(
        self, model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, agree: Agree
    ) -> torch.Tensor:
        of_sample, of_output = clean_weights(self._inner, timestep)
        expected = of_sample * sample.float() + of_output * model_output.float()
        wanted = agree(self._done, expected)
        if wanted is None:
            return model_output
        return model_output + ((wanted - expected) / of_output).to(model_output)

    def _hold(self, latents: torch.Tensor, index: int, held: Held) -> torch.Tensor:
        if self._known is None:
            raise RuntimeError("a soft mask needs a pipeline that starts from a picture")
        clean, noise = self._known
        known = clean
        if index + 1 < self._steps:
            following = self._inner.timesteps[len(self._inner.timesteps) - self._steps + index + 1]
            # Sigma-scaled samplers (Euler, DPM++) look up their level by the step they stand at, which `step`
            # has just moved on to the same place.
            known = self._inner.add_noise(clean, noise, following.reshape(1).repeat(clean.shape[0]))
        free = held.release >= release_thresholds(self._steps)[index]
        return torch.where(
            torch.from_numpy(np.ascontiguousarray(free)).to(latents.device), latents, known.to(latents)
        )


def clean_weights(scheduler: Any, timestep: Any) -> tuple[float, float]:
    """(a, b) for which a·sample + b·model_output is the clean picture that a step from `timestep` expects.

    Of samplers whose latents are α·z₀ + σ·ε with one α and σ for each step: all that `read_scheduler` leaves.
    Those that keep sigmas = σ/α have α = 1 (Euler's) or α² + σ² = 1 (DPM-Solver's).
    """
    kind = scheduler.config.prediction_type
    sigmas = getattr(scheduler, "sigmas", None)
    if sigmas is None:
        alpha = float(scheduler.alphas_cumprod[int(timestep)]) ** 0.5
        sigma = (1.0 - alpha**2) ** 0.5
    else:
        index = scheduler.step_index
        if index is None:
            begin = scheduler.begin_index
            index = scheduler.index_for_timestep(timestep) if begin is None else begin
        ratio = float(sigmas[index])
        if "Euler" in type(scheduler).__name__:  # samples are z₀ + σ·ε, whatever the model is shown
            return {
                "epsilon": (1.0, -ratio),
                "v_prediction": (1.0 / (ratio**2 + 1.0), -ratio / (ratio**2 + 1.0) ** 0.5),
                "sample": (0.0, 1.0),
            }[kind]
        alpha = 1.0 / (ratio**2 + 1.0) ** 0.5
        sigma = ratio * alpha
    if kind == "epsilon":
        return 1.0 / alpha, -sigma / alpha
    return (alpha, -sigma) if kind == "v_prediction" else (0.0, 1.0)


def _estimate(scheduler: Any, output: Any) -> torch.Tensor:
    """The clean latents (z₀) this step expects, wherever the sampler keeps them; else the noisy ones."""
    for name in ("pred_original_sample", "denoised"):
        found = output.get(name)
        if found is not None:
            return found
    history = [kept for kept in getattr(scheduler, "model_outputs", None) or () if kept is not None]
    return history[-1] if history else output.prev_sample
