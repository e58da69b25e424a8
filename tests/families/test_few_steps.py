"""How models are sampled live is told from their names and schedulers."""

from __future__ import annotations

import pytest
from impasto_server.families.few_steps import few_steps

LEADING = {"timestep_spacing": "leading"}
TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("name", "sampler", "steps"),
    [
        ("lcm-lora-sdv1-5", "LCMScheduler", 4),
        ("LCM_Dreamshaper_v7", "LCMScheduler", 4),
        ("sd-turbo", "EulerAncestralDiscreteScheduler", 1),
        ("sdxl_turbo_1.0_fp16", "EulerAncestralDiscreteScheduler", 1),
        ("sdxl_lightning_2step_lora", "EulerDiscreteScheduler", 2),
        ("DreamShaperXL_Lightning", "EulerDiscreteScheduler", 4),
        ("Hyper-SD15-1step-lora", "DPMSolverMultistepScheduler", 1),
        ("Hyper-SDXL-8steps-lora", "DPMSolverMultistepScheduler", 8),
    ],
)
def test_distilled_models_and_loras_say_so_in_their_names(name: str, sampler: str, steps: int) -> None:
    choice = few_steps((name,), "PNDMScheduler", LEADING)
    assert (choice.sampler, choice.steps, choice.guidance) == (sampler, steps, 1.0)
    assert choice.distilled


@pytest.mark.parametrize("name", ["turbocharged", "hyperrealism", "film calcium", "enlightning"])
def test_a_word_that_only_contains_one_says_nothing(name: str) -> None:
    assert not few_steps((name,), "DPMSolverMultistepScheduler", LEADING).distilled


def test_a_worn_lora_counts_before_the_model() -> None:
    assert few_steps(("lcm", "sd-turbo"), "EulerDiscreteScheduler", TRAILING).sampler == "LCMScheduler"


@pytest.mark.parametrize(
    ("scheduler", "config", "steps"),
    [
        ("LCMScheduler", LEADING, 4),
        ("EulerDiscreteScheduler", TRAILING, 4),
        ("EulerAncestralDiscreteScheduler", TRAILING, 1),
    ],
)
def test_some_schedulers_tell_a_distilled_model(
    scheduler: str, config: dict[str, object], steps: int
) -> None:
    choice = few_steps(("model",), scheduler, config)
    assert (choice.sampler, choice.steps, choice.guidance) == (scheduler, steps, 1.0)


@pytest.mark.parametrize(
    ("scheduler", "sampler"),
    [
        ("DDIMScheduler", "DPMSolverMultistepScheduler"),
        ("DPMSolverMultistepScheduler", "DPMSolverMultistepScheduler"),
        ("EulerDiscreteScheduler", "EulerDiscreteScheduler"),
    ],
)
def test_other_models_keep_their_sampler_and_their_guidance(scheduler: str, sampler: str) -> None:
    choice = few_steps(("model",), scheduler, LEADING)
    assert (choice.sampler, choice.guidance) == (sampler, None)
    pure = few_steps(("model",), scheduler, {"rescale_betas_zero_snr": True})
    assert pure.steps < choice.steps
