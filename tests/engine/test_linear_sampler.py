"""The table of a scheduler's numbers does what the scheduler does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import diffusers
import pytest
import torch
from impasto_server.engine import linear_sampler
from impasto_server.engine.live_schedule import build, live_sampler, timesteps
from impasto_server.families.few_steps import FewSteps

from tests.fixtures import tiny

NOISE_SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ 3M": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    "DDIM, as DPM-Solver-1": ("DPMSolverMultistepScheduler", {"solver_order": 1}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "LCM": ("LCMScheduler", {}),
}


def scheduler_of(kind: str, **more: object) -> Any:
    name, settings = KINDS[kind]
    return getattr(diffusers, name)(**NOISE_SCHEDULE, timestep_spacing="trailing", **settings, **more)


def output_at(latents: torch.Tensor, timestep: Any) -> torch.Tensor:
    """What a denoiser might say."""
    return torch.tanh(latents.flip(-1) * 1.3 + float(timestep) / 1000.0) + 0.2 * latents


def stock(scheduler: Any, begin: int, clean: torch.Tensor, seed: int) -> list[torch.Tensor]:
    """Latents before each step and at the end, as diffusers' image-to-image pipelines sample."""
    generator = torch.Generator().manual_seed(seed)
    visited = scheduler.timesteps[begin:]
    scheduler.set_begin_index(begin)
    noise = torch.randn(clean.shape, generator=generator)
    latents = scheduler.add_noise(clean, noise, visited[:1])
    seen = [latents]
    for timestep in visited:
        output = output_at(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(output, timestep, latents, generator=generator, return_dict=False)[0]
        seen.append(latents)
    return seen


def by_table(sampler: Any, clean: torch.Tensor, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(clean.shape, generator=generator)
    seen = [sampler.start[0] * clean + sampler.start[1] * noise]
    outputs = []
    for step in sampler.steps:
        outputs.append(output_at(seen[-1] * step.scale, step.timestep))
        after = sum(w * x for w, x in zip(step.latents, seen, strict=True))
        after = after + sum(w * x for w, x in zip(step.outputs, outputs, strict=True))
        if step.draws:
            after = after + step.noise * torch.randn(clean.shape, generator=generator)
        seen.append(after)
    return seen


def clean_latents() -> torch.Tensor:
    return torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("strength", [0.05, 0.37, 0.6, 1.0])
@pytest.mark.parametrize("run", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_latents_are_the_scheduler_s_after_every_step(
    kind: str, run: int, strength: float, prediction: str
) -> None:
    theirs = scheduler_of(kind, prediction_type=prediction)
    if linear_sampler.takes_timesteps(theirs):
        at = timesteps(theirs.config, run, strength)
        sampler = linear_sampler.read(scheduler_of(kind, prediction_type=prediction), at)
        theirs.set_timesteps(timesteps=at)
        begin = 0
    else:
        total = max(run, round(run / strength))
        sampler = linear_sampler.read_part(scheduler_of(kind, prediction_type=prediction), total, run)
        theirs.set_timesteps(total)
        begin = total - run
    expected = stock(theirs, begin, clean_latents(), seed=11)
    found = by_table(sampler, clean_latents(), seed=11)
    for mine, own in zip(found, expected, strict=True):
        # Euler's latents are up to 15 times as large as the others'.
        assert torch.allclose(mine, own, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_known_latents_stand_at_the_noise_level_that_is_reached(kind: str) -> None:
    """Held to the picture all the way, with outputs that are its own noise, a step ends where it is known to
    be: for samplers that add no noise of their own."""
    sampler = live_sampler(
        FewSteps(*KINDS[kind][:1], 4, settings=tuple(KINDS[kind][1].items())),
        tiny.make_scheduler("DDIMScheduler"),
        4,
        0.7,
    )
    clean, noise = clean_latents(), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(4))
    assert sampler.steps[-1].known == (1.0, 0.0)
    if sampler.noises > 1 or kind == "LCM":
        return
    latents = [sampler.start[0] * clean + sampler.start[1] * noise]
    for number, step in enumerate(sampler.steps):
        after = sum(w * x for w, x in zip(step.latents, latents, strict=True))
        latents.append(after + sum(step.outputs) * noise)
        known = step.known[0] * clean + step.known[1] * noise
        assert torch.allclose(latents[-1], known, atol=2e-4), number


def test_a_fixed_schedule_that_is_cut_is_no_table_of_free_timesteps() -> None:
    with pytest.raises(ValueError, match="chooses its timesteps itself"):
        linear_sampler.read(scheduler_of("Euler ancestral"), [999])


@pytest.mark.parametrize("strength", [0.001, 0.004, 0.1, 0.33, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("run", [1, 2, 3, 4, 8, 20])
@pytest.mark.parametrize("every", [1, 20])
def test_timesteps_fall_from_where_the_strength_begins(run: int, strength: float, every: int) -> None:
    config = {"num_train_timesteps": 1000, "original_inference_steps": 1000 // every}
    at = timesteps(config, run, strength)
    assert len(at) == run
    assert all(later < earlier for earlier, later in pairwise(at))
    assert all((one + 1) % every == 0 for one in at)
    assert at[-1] >= 0
    assert at[0] == max(1000 * strength, run * every) - 1 or abs(at[0] + 1 - 1000 * strength) <= every
    if strength == 1.0:
        assert at[0] == 999


def test_ddim_is_the_first_order_solver() -> None:
    """Which can begin anywhere; so DDIM models are sampled with it."""
    zero_snr = {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "v_prediction",
    }
    ddim = diffusers.DDIMScheduler(**NOISE_SCHEDULE, clip_sample=False, **zero_snr)
    from impasto_server.families.few_steps import few_steps

    choice = few_steps((), "DDIMScheduler", ddim.config)
    for total, run in ((5, 3), (4, 4), (10, 2)):
        ddim.set_timesteps(total)
        visited = ddim.timesteps[total - run :]
        assert timesteps(build(choice, ddim).config, run, run / total) == visited.tolist()
        sampler = live_sampler(choice, ddim, run, run / total)
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
        latents = ddim.add_noise(clean_latents(), noise, visited[:1])
        for timestep in visited:
            latents = ddim.step(output_at(latents, timestep), timestep, latents).prev_sample
        # Its own noise schedule ends at a signal of 2^-12 where DDIM's ends at 0.
        assert torch.allclose(by_table(sampler, clean_latents(), 5)[-1], latents, atol=2e-3)
