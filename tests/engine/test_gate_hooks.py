"""The seams: what a scheduler's stand-in does to latents, and when the gate is met."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import Any

import numpy as np
import pytest
import torch
from impasto_server.compositing.masks import release_thresholds
from impasto_server.engine.gate_hooks import Held, JobStack, SteeredScheduler
from impasto_server.engine.painting import Schedule, schedule
from impasto_server.families import Components
from impasto_server.families.sd15 import FAMILY

from tests.fixtures import tiny

SAMPLERS = (
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Components]:
    """The same random model under each sampler, as it is loaded from a folder."""
    torch.set_num_threads(1)
    folder = tiny.build(tmp_path_factory.mktemp("model"))
    found = {}
    for name in SAMPLERS:
        tiny.use_scheduler(folder, name)
        found[name] = FAMILY.load(folder, torch.float32, None)
    return found


@pytest.fixture
def components(models: dict[str, Components]) -> Components:
    return models["DDIMScheduler"]


def embeds() -> dict[str, Any]:
    return {"prompt_embeds": torch.ones(1, 16, 32), "negative_prompt_embeds": torch.zeros(1, 16, 32)}


def run_image_pipeline(
    components: Components, scheduler: Any, clean: torch.Tensor, plan: Schedule, seed: int = 3
) -> torch.Tensor:
    pipeline = FAMILY.image_pipeline(components, scheduler)
    return pipeline(
        **embeds(),
        image=clean,
        strength=plan.strength,
        num_inference_steps=plan.total,
        guidance_scale=2.0,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
    ).images


def latents(height: int = 8, width: int = 8, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 4, height, width, generator=torch.Generator().manual_seed(seed))


def recording(steered: SteeredScheduler) -> list[torch.Tensor]:
    """The latents that leave each step."""
    seen: list[torch.Tensor] = []
    original = steered.step

    @wraps(original)
    def step(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        seen.append(output[0].clone())
        return output

    steered.step = step
    return seen


@pytest.mark.parametrize("steps", [2, 4, 8, 20])
@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_held_latents_stand_at_the_noise_level_of_the_next_step(
    models: dict[str, Components], sampler: str, strength: float, steps: int
) -> None:
    """Bar B7. The reference is a fresh scheduler, asked for a timestep, which never stepped."""
    model = models[sampler]
    plan = schedule(steps, strength, 50)
    release = np.zeros((8, 8), np.float32)
    release[:, 4:] = 1.0
    steered = SteeredScheduler(FAMILY.scheduler(model), plan.run, lambda *_: None, Held(release))
    seen = recording(steered)
    clean = latents()
    result = run_image_pipeline(model, steered, clean, plan)

    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    reference = FAMILY.scheduler(model)
    reference.set_timesteps(plan.total)
    remaining = reference.timesteps[-plan.run :]
    assert len(seen) == plan.run
    for index in range(plan.run - 1):
        expected = reference.add_noise(clean, noise, remaining[index + 1].reshape(1))
        error = (seen[index] - expected)[..., :4].abs().max()
        assert error <= 1e-5 * max(1.0, float(expected.abs().max()))
        assert not torch.allclose(seen[index][..., 4:], expected[..., 4:], atol=1e-2)
    assert torch.equal(result[..., :4], clean[..., :4])
    assert not torch.allclose(result[..., 4:], clean[..., 4:], atol=1e-2)


def test_a_latent_is_let_go_at_its_own_step(components: Components) -> None:
    plan = schedule(20, 1.0, 1000)
    release = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    clean = latents()
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    steered = SteeredScheduler(FAMILY.scheduler(components), plan.run, lambda *_: None, Held(release))
    seen = recording(steered)
    run_image_pipeline(components, steered, clean, plan)
    for index, threshold in enumerate(release_thresholds(20)[:-1]):
        known = steered.add_noise(clean, noise, steered.timesteps[index + 1].reshape(1))
        held = (seen[index] - known).abs().amax((0, 1)) < 1e-5
        assert np.array_equal(held.numpy(), release < threshold)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_without_a_mask_the_stand_in_changes_no_bit(models: dict[str, Components], sampler: str) -> None:
    model = models[sampler]
    plan = schedule(6, 0.7, 50)
    stock = run_image_pipeline(model, FAMILY.scheduler(model), latents(), plan)
    steered = SteeredScheduler(FAMILY.scheduler(model), plan.run, lambda *_: None)
    assert torch.equal(run_image_pipeline(model, steered, latents(), plan), stock)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_step_tells_a_clean_estimate_that_ends_as_the_result(
    models: dict[str, Components], sampler: str
) -> None:
    model = models[sampler]
    plan = schedule(8, 0.5, 50)
    told: list[tuple[int, torch.Tensor]] = []
    steered = SteeredScheduler(FAMILY.scheduler(model), plan.run, lambda index, z: told.append((index, z)))
    result = run_image_pipeline(model, steered, latents(), plan)
    assert [index for index, _ in told] == list(range(plan.run))
    assert torch.allclose(told[-1][1], result, atol=1e-4 * float(result.abs().max()))


@pytest.mark.parametrize(
    ("strength", "total", "run"),
    [(0.1, 40, 4), (0.3, 20, 6), (0.5, 20, 10), (0.7, 20, 14), (0.9, 20, 18), (1.0, 20, 20)],
)
def test_weak_strengths_run_the_end_of_a_longer_schedule(strength: float, total: int, run: int) -> None:
    assert schedule(20, strength, 1000) == Schedule(total, run)


@pytest.mark.parametrize("strength", [0.001, 0.05, 0.33, 0.999])
@pytest.mark.parametrize("steps", [1, 2, 3, 20, 150])
def test_the_stock_pipeline_runs_the_planned_steps(
    components: Components, strength: float, steps: int
) -> None:
    plan = schedule(steps, strength, 1000)
    assert 1 <= plan.run <= plan.total <= 1000
    pipeline = FAMILY.image_pipeline(components, FAMILY.scheduler(components))
    pipeline.scheduler.set_timesteps(plan.total)
    assert len(pipeline.get_timesteps(plan.total, plan.strength, "cpu")[0]) == plan.run


def test_hooks_speak_to_the_innermost_job_and_to_nobody_without_one() -> None:
    class Job:
        def __init__(self) -> None:
            self.parts: list[str] = []

        def before_forward(self, module: str) -> None:
            self.parts.append(module)

    stack, layer = JobStack(), torch.nn.Identity()
    stack.watch(layer, "unet")
    outer, inner = Job(), Job()
    layer(1)
    with stack.running(outer):
        layer(1)
        with suppress(ValueError), stack.running(inner):
            layer(1)
            raise ValueError
        layer(1)
    layer(1)
    assert (outer.parts, inner.parts) == (["unet"] * 2, ["unet"])


PREDICTIONS = [
    (sampler, prediction)
    for sampler in SAMPLERS
    for prediction in ("epsilon", "v_prediction", "sample")
    if (sampler, prediction) != ("EulerAncestralDiscreteScheduler", "sample")  # diffusers' own cannot
]


@pytest.mark.parametrize(("sampler", "prediction"), PREDICTIONS)
def test_a_step_goes_on_from_the_clean_picture_it_is_told(
    models: dict[str, Components], sampler: str, prediction: str
) -> None:
    """What the sampler itself then says that it expects is the reference."""
    inner = FAMILY.scheduler(models[sampler])
    inner.register_to_config(prediction_type=prediction)
    expected: list[torch.Tensor] = []
    wanted = [latents(seed=step + 10) for step in range(4)]

    def agree(step: int, clean: torch.Tensor) -> torch.Tensor | None:
        expected.append(clean)
        return wanted[step] if step != 1 else None

    seen: list[torch.Tensor] = []
    steered = SteeredScheduler(inner, 4, lambda _, estimate: seen.append(estimate), agree=agree)
    steered.set_timesteps(4)
    sample = latents() * float(inner.init_noise_sigma)
    for step, timestep in enumerate(inner.timesteps):
        steered.scale_model_input(sample, timestep)
        sample = steered.step(latents(seed=step + 1), timestep, sample).prev_sample
    wanted[1] = expected[1]
    # LCM's own estimate has a share of the sample in it, a hundredth and less at its first timesteps.
    for step in (0, 1) if sampler == "LCMScheduler" else range(4):
        assert torch.allclose(seen[step], wanted[step], atol=0.02 * float(wanted[step].abs().max()))
