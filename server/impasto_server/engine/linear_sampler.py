"""A diffusers scheduler as a table of numbers.

Every sampler we use is linear: the latents after a step are a weighted sum of latents, model outputs and
noises seen so far. The weights depend on the scheduler's configuration and on the timesteps, and on nothing
that is painted. So they are read off the scheduler once, by running its own `add_noise`,
`scale_model_input` and `step` over basis vectors, and a live frame only multiplies and adds. What diffusers
computes stays the definition: `tests/engine/test_linear_sampler.py` compares whole pictures with the stock
pipelines'.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

# Numbers beside the basis in which only drawn noise shows, so that its weight can be read there.
_NOISE_VALUES = 64


@dataclass(frozen=True)
class LinearStep:
    """Step number i: x_{i+1} = Σ latents[j]·x_j + Σ outputs[j]·out_j + noise·ε, with j up to i and ε drawn at
    this step.

    scale: of x_i on its way into the denoiser. known: x_{i+1} of a picture that is known, as weights of its
    latents and of the noise it began with: what a soft mask holds the latents to.
    """

    timestep: float
    scale: float
    latents: tuple[float, ...]
    outputs: tuple[float, ...]
    noise: float
    draws: bool  # takes noise from the generator, be it for a weight of 0
    known: tuple[float, float]


@dataclass(frozen=True)
class LinearSampler:
    """start: x_0 as weights of the picture's latents z₀ and of the first noise."""

    start: tuple[float, float]
    steps: tuple[LinearStep, ...]

    @property
    def noises(self) -> int:
        """How many noises a frame needs, in the order in which a stock pipeline draws them."""
        return 1 + sum(step.draws for step in self.steps)


def read(scheduler: Any, timesteps: Sequence[int]) -> LinearSampler:
    """The table of image-to-image sampling over exactly these timesteps, falling. `scheduler` is used up.

    ValueError for one that cannot be told its timesteps: see `read_part`.
    """
    if not takes_timesteps(scheduler):
        raise ValueError(f"{type(scheduler).__name__} chooses its timesteps itself")
    scheduler.set_timesteps(timesteps=list(timesteps))
    return _read(scheduler, 0)


def read_part(scheduler: Any, total: int, run: int) -> LinearSampler:
    """The table of the last `run` steps of a schedule of `total`: a stock pipeline's with strength
    run / total. `scheduler` is used up.
    """
    scheduler.set_timesteps(total)
    return _read(scheduler, total - run)


def takes_timesteps(scheduler: Any) -> bool:
    return "timesteps" in inspect.signature(scheduler.set_timesteps).parameters


def _read(scheduler: Any, begin: int) -> LinearSampler:
    timesteps = scheduler.timesteps[begin:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    count = len(timesteps)
    # The basis: the picture, its noise, then latents and output of each step.
    basis = torch.zeros(2 + 2 * count, 1, 2 + 2 * count + _NOISE_VALUES)
    for number in range(len(basis)):
        basis[number, 0, number] = 1.0
    picture, noise = basis[0], basis[1]
    first = scheduler.add_noise(picture, noise, timesteps[:1])
    steps = []
    for index, timestep in enumerate(timesteps):
        latents, output = basis[2 + 2 * index], basis[3 + 2 * index]
        scale = scheduler.scale_model_input(latents, timestep)[0, 2 + 2 * index]
        after, weight, draws = _step(scheduler, output, timestep, latents)
        known = picture
        if index + 1 < count:
            # Samplers that look up their noise level by the step they stand at have just moved on.
            known = scheduler.add_noise(picture, noise, timesteps[index + 1 : index + 2])
        own = after[0, 2 : 4 + 2 * index].tolist()
        steps.append(
            LinearStep(
                timestep=float(timestep),
                scale=float(scale),
                latents=tuple(own[0::2]),
                outputs=tuple(own[1::2]),
                noise=weight,
                draws=draws,
                known=(float(known[0, 0]), float(known[0, 1])),
            )
        )
    return LinearSampler((float(first[0, 0]), float(first[0, 1])), tuple(steps))


def _step(
    scheduler: Any, output: torch.Tensor, timestep: Any, latents: torch.Tensor
) -> tuple[torch.Tensor, float, bool]:
    """The latents after a step without the noise in them, the noise's weight, and whether any was drawn."""
    generator = torch.Generator().manual_seed(0)
    untouched = generator.get_state()
    takes = inspect.signature(scheduler.step).parameters
    more = {"generator": generator} if "generator" in takes else {}
    after = scheduler.step(output, timestep, latents, **more).prev_sample
    if torch.equal(generator.get_state(), untouched):
        return after, 0.0, False
    drawn = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    tail = drawn[..., -_NOISE_VALUES:]
    weight = float((after[..., -_NOISE_VALUES:] * tail).sum() / tail.square().sum())
    return after - weight * drawn, weight, True
