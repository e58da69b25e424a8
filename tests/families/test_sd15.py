"""The Stable Diffusion 1.x family: what it declares and how it loads."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from impasto_server import pocket
from impasto_server.families import FamilyMismatch, families, family_of
from impasto_server.families.sd15 import FAMILY
from impasto_server.models.folder import read_folder

from tests.fixtures import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.build(tmp_path_factory.mktemp("family") / "tiny")


def config(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / part / "config.json").read_text())


def test_a_file_in_the_folder_is_a_family() -> None:
    assert FAMILY in families()
    assert family_of({"_class_name": "StableDiffusionPipeline"}) is FAMILY
    assert family_of({"_class_name": "FluxPipeline"}) is None
    assert family_of({}) is None


def test_the_native_size_is_the_unets_times_the_autoencoders(folder: Path) -> None:
    unet, vae = config(folder, "unet"), config(folder, "vae")
    assert FAMILY.defaults(unet, vae).native_px == 64
    assert FAMILY.defaults({**unet, "sample_size": 96}, vae).native_px == 768
    assert FAMILY.defaults({**unet, "sample_size": [64, 64]}, vae).native_px == 512
    assert FAMILY.defaults(config(pocket.folder(), "unet"), config(pocket.folder(), "vae")).native_px == 256


@pytest.mark.parametrize(
    ("unet", "vae"),
    [
        ({"in_channels": 9}, {}),
        ({"sample_size": None}, {}),
        ({"sample_size": []}, {}),
        ({}, {"block_out_channels": [8, 8]}),
    ],
)
def test_variants_it_cannot_run_are_mismatches(
    folder: Path, unet: dict[str, Any], vae: dict[str, Any]
) -> None:
    with pytest.raises(FamilyMismatch):
        FAMILY.defaults({**config(folder, "unet"), **unet}, {**config(folder, "vae"), **vae})


def test_each_job_has_its_own_scheduler(folder: Path) -> None:
    components = FAMILY.load(folder, torch.float32, None)
    first, second = FAMILY.scheduler(components), FAMILY.scheduler(components)
    first.set_timesteps(5)
    assert first is not second is not components.scheduler
    assert second.num_inference_steps is None is components.scheduler.num_inference_steps


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("DDIMScheduler", "DDIMScheduler"),
        ("LCMScheduler", "LCMScheduler"),
        ("PNDMScheduler", "DPMSolverMultistepScheduler"),
        ("UniPCMultistepScheduler", "DPMSolverMultistepScheduler"),
        ("HeunDiscreteScheduler", "DPMSolverMultistepScheduler"),
    ],
)
def test_samplers_that_soft_masks_cannot_steer_are_replaced(
    tmp_path_factory: pytest.TempPathFactory, given: str, used: str
) -> None:
    components = FAMILY.load(tiny.build(tmp_path_factory.mktemp(given), scheduler=given), torch.float32, None)
    scheduler = FAMILY.scheduler(components)
    assert type(scheduler).__name__ == used
    assert (scheduler.config.beta_schedule, scheduler.config.beta_end) == ("scaled_linear", 0.012)


def test_old_scheduler_configs_are_put_right_without_a_warning(tmp_path: Path) -> None:
    """Stable Diffusion's first configs carry steps_offset 0 and clip_sample true."""
    folder = tiny.build(tmp_path / "old")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "steps_offset": 0, "clip_sample": True}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        components = FAMILY.load(folder, torch.float32, None)
        FAMILY.image_pipeline(components, FAMILY.scheduler(components))
    assert (components.scheduler.config.steps_offset, components.scheduler.config.clip_sample) == (1, False)


def test_pipelines_share_modules_and_cast_nothing(folder: Path) -> None:
    components = FAMILY.load(folder, torch.float16, None)
    text = FAMILY.text_pipeline(components, FAMILY.scheduler(components))
    image = FAMILY.image_pipeline(components, FAMILY.scheduler(components))
    assert type(text).__name__ == "StableDiffusionPipeline"
    assert type(image).__name__ == "StableDiffusionImg2ImgPipeline"
    assert text.unet is image.unet is components.modules["unet"]
    assert components.modules["unet"].dtype == torch.float16


def test_an_autoencoder_that_must_not_be_halved_is_kept_whole(tmp_path: Path) -> None:
    folder = tiny.build(tmp_path / "upcast")
    path = folder / "vae" / "config.json"
    for wish, dtype in ((True, torch.float32), (False, torch.float16)):
        path.write_text(json.dumps({**json.loads(path.read_text()), "force_upcast": wish}))
        assert FAMILY.load(folder, torch.float16, None).modules["vae"].dtype == dtype


@pytest.mark.parametrize("guidance", [0.0, 1.0, 5.0])
def test_prompts_are_embedded_for_the_pipelines(folder: Path, guidance: float) -> None:
    components = FAMILY.load(folder, torch.float32, None)
    embeds = FAMILY.embed(components, "a red circle", "on", guidance, "cpu")
    assert embeds["prompt_embeds"].shape == (1, 16, 32)
    assert (embeds["negative_prompt_embeds"] is None) == (guidance <= 1.0)


@pytest.mark.model
def test_pocket_is_of_this_family_and_loads_whole() -> None:
    source = read_folder(pocket.folder(), "pocket")
    components = FAMILY.load(source.folder, torch.float32, source.variant)
    weights = sum(
        value.numel() for part in components.modules.values() for value in part.state_dict().values()
    )
    assert source.family is FAMILY
    assert weights == source.weight_values


SD_UNET = {
    "in_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": [
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "CrossAttnDownBlock2D",
        "DownBlock2D",
    ],
    "layers_per_block": 2,
}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"class_embed_type": None, "num_class_embeds": None, "conditioning_channels": 3}, True),
        ({"cross_attention_dim": 1024}, False),  # Stable Diffusion 2
        ({"block_out_channels": [320, 640, 1280]}, False),  # SDXL
        ({"addition_embed_type": "text_time"}, False),
        ({"conditioning_channels": 4}, False),
    ],
)
def test_a_net_fits_the_unets_it_could_have_been_copied_from(change: dict[str, Any], fits: bool) -> None:
    """The structure of Stable Diffusion 1.5, as its config and those of its published ControlNets say it."""
    assert FAMILY.control_fits(SD_UNET, {**SD_UNET, **change}) is fits
    silent = {key: value for key, value in SD_UNET.items() if key in ("cross_attention_dim", "in_channels")}
    assert FAMILY.control_fits(silent, {**SD_UNET, **change}) is fits
