"""What a live frame shows is what the stock pipelines paint with the same noise, within rounding."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from math import floor
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from impasto_protocol.messages import LiveControl, LiveRequest, Lora
from impasto_server.engine.interface import Raster
from impasto_server.engine.live_schedule import build, timesteps
from impasto_server.families.few_steps import few_steps

from tests.engine.conftest import disc, model_of, picture, without_copies
from tests.fixtures import tiny, tiny_xl

REQUEST = LiveRequest("picture", "a red circle", negative="on", seed=7)
IMAGE = picture(64, 64)
MODELS: dict[str, tuple[str, dict[str, object]]] = {
    "ddim": ("DDIMScheduler", {}),
    "pure-noise": (
        "DDIMScheduler",
        {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"},
    ),
    "dpm": ("DPMSolverMultistepScheduler", {}),
    "karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "lightning": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "turbo": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "lcm": ("LCMScheduler", {}),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights with every sampler, `kl` having the large autoencoder; and an SDXL, `xl`."""
    home = tmp_path_factory.mktemp("home")
    first = tiny.build(home / "models" / "ddim", vae="tiny", pocket_like=True)
    for model, (name, changes) in MODELS.items():
        folder = home / "models" / model
        if folder != first:
            shutil.copytree(first, folder)
        tiny.use_scheduler(folder, name)
        config = folder / "scheduler" / "scheduler_config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), **changes}))
    tiny.build(home / "models" / "kl")
    tiny_xl.build(home / "models" / "xl")
    for number, model in enumerate(("kl", "xl")):
        tiny.build_control(home / "controlnets" / f"depth-{model}", home / "models" / model, seed=number)
        _card(home / "controlnets" / f"depth-{model}", "depth")
        tiny.build_control(home / "controlnets" / f"normal-{model}", home / "models" / model, seed=9 + number)
        _card(home / "controlnets" / f"normal-{model}", "normal")
    tiny.build_lora(home / "loras" / "ink.safetensors", home / "models" / "kl", seed=4)
    return home


def _card(folder: Path, kind: str) -> None:
    (folder / "impasto.json").write_text(json.dumps({"kind": kind}))


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Any]:
    from impasto_server.engine.diffusion import DiffusionEngine

    torch.set_num_threads(1)
    engine = DiffusionEngine(device="cpu", home=home)
    with without_copies(engine):  # which may be bfloat16
        yield engine


def paint(
    engine: Any, request: LiveRequest, image: Raster = IMAGE, mask: Any = None, *controls: Raster
) -> Raster:
    sitting = engine.sit(request, lambda: None)
    frame = sitting.paint(image, mask, controls, lambda done, steps: True)
    assert frame is not None
    return frame.pixels.copy()


def stock(
    engine: Any, home: Path, request: LiveRequest, image: Raster = IMAGE, kind: str = "", **more: Any
) -> Raster:
    """The same by a stock image-to-image pipeline, which is told the timesteps where it can be."""
    folder = home / "models" / request.model
    xl = request.model == "xl"
    kind = kind or ("StableDiffusionXLImg2ImgPipeline" if xl else "StableDiffusionImg2ImgPipeline")
    nets = {"controlnet": more.pop("controlnet")} if "controlnet" in more else {}
    extra = {"add_watermarker": False} if xl else {"safety_checker": None}
    pipeline = getattr(diffusers, kind).from_pretrained(folder, local_files_only=True, **nets, **extra)
    pipeline.set_progress_bar_config(disable=True)
    given = pipeline.scheduler
    choice = few_steps((request.model,), type(given).__name__, given.config)
    pipeline.scheduler = build(choice, given)
    run = max(floor((request.steps or choice.steps) * request.strength + 0.5), 1)
    run = run if request.steps else max(run, choice.least)
    pixels = torch.from_numpy(image.transpose(2, 0, 1)[None] / np.float32(127.5) - 1)
    encoded = pipeline.vae.encode(pixels)
    clean = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    arguments: dict[str, Any] = {"timesteps": timesteps(pipeline.scheduler.config, run, request.strength)}
    arguments["strength"] = 1.0
    if request.model == "turbo" or "ControlNet" in kind:
        total = max(run, round(run / request.strength))
        arguments = {"num_inference_steps": total, "strength": min((run + 0.5) / total, 1.0)}
    guidance = request.guidance
    if guidance < 0:
        guidance = choice.guidance or (5.0 if xl else 7.5)
    with torch.no_grad():
        result = pipeline(
            request.prompt,
            negative_prompt=request.negative,
            image=clean * pipeline.vae.config.scaling_factor,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="np",
            **arguments,
            **more,
        ).images[0]
    return (result * 255 + 0.5).astype(np.uint8)


def assert_alike(found: Raster, expected: Raster) -> None:
    """Within a level: sums are taken in another order."""
    assert found.shape == expected.shape
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01
    assert expected.std() > 3


@pytest.mark.parametrize("strength", [0.25, 0.6, 1.0])
@pytest.mark.parametrize("guidance", [-1.0, 1.0, 3.0])
@pytest.mark.parametrize("model", MODELS)
def test_a_frame_equals_the_stock_pipeline_s(
    engine: Any, home: Path, model: str, guidance: float, strength: float
) -> None:
    request = replace(REQUEST, model=model, guidance=guidance, strength=strength)
    assert_alike(paint(engine, request), stock(engine, home, request))


@pytest.mark.parametrize("model", ["kl", "xl"])
@pytest.mark.parametrize("guidance", [1.0, 5.0])
def test_so_it_does_with_other_autoencoders_and_with_sdxl(
    engine: Any, home: Path, model: str, guidance: float
) -> None:
    request = replace(REQUEST, model=model, guidance=guidance, steps=6)
    wide = picture(72, 96)
    asked = replace(request, longest_px=96)
    assert_alike(paint(engine, asked, wide), stock(engine, home, asked, wide))


@pytest.mark.parametrize("model", ["kl", "xl"])
def test_controls_steer_it_as_in_the_stock_pipeline(engine: Any, home: Path, model: str) -> None:
    """Two nets, one of which lets go halfway; with the sampler cut where both can begin."""
    shades, normals = picture(64, 64, channels=1), picture(64, 64, seed=3)
    first = LiveControl("depth", "shades", 0.7, 0.0, 0.5)
    second = LiveControl("normal", "normals", 1.2)
    request = replace(REQUEST, model=model, steps=8, strength=0.5, guidance=4.0, controls=(first, second))
    nets = [
        diffusers.ControlNetModel.from_pretrained(home / "controlnets" / f"{kind}-{model}")
        for kind in ("depth", "normal")
    ]
    kind = "XL" if model == "xl" else ""
    hints = [
        torch.from_numpy(shades / np.float32(255)).expand(1, 3, 64, 64),
        torch.from_numpy(normals.transpose(2, 0, 1)[None] / np.float32(255)),
    ]
    expected = stock(
        engine,
        home,
        request,
        kind=f"StableDiffusion{kind}ControlNetImg2ImgPipeline",
        controlnet=nets,
        control_image=hints,
        controlnet_conditioning_scale=[0.7, 1.2],
        control_guidance_start=[0.0, 0.0],
        control_guidance_end=[0.5, 1.0],
    )
    found = paint(engine, request, IMAGE, None, shades, normals)
    assert_alike(found, expected)
    weaker = replace(request, controls=(replace(first, strength=0.0), second))
    assert not np.array_equal(paint(engine, weaker, IMAGE, None, shades, normals), found)


def test_a_lora_changes_it_and_leaves_no_trace(engine: Any) -> None:
    request = replace(REQUEST, model="kl")
    plain = paint(engine, request)
    tuned = paint(engine, replace(request, loras=(Lora("ink", 0.8),)))
    assert not np.array_equal(tuned, plain)
    assert np.array_equal(paint(engine, request), plain)


@pytest.mark.parametrize("model", ["pure-noise", "dpm", "lcm"])
@pytest.mark.parametrize("steps", [0, 12])
def test_what_is_not_selected_stays_the_picture_s_own(engine: Any, model: str, steps: int) -> None:
    mask = disc(64, 64, 30, 34, 16)
    request = replace(REQUEST, model=model, mask="selection", strength=0.9, steps=steps)
    found = paint(engine, request, IMAGE, mask)
    assert np.array_equal(found[mask == 0], IMAGE[mask == 0])
    inside = disc(64, 64, 30, 34, 8) > 0
    assert (found[inside] != IMAGE[inside]).mean() > 0.5
    whole = paint(engine, replace(request, mask=""))
    assert not np.array_equal(found[inside], whole[inside])  # it was held to what surrounds it


def test_the_soft_mask_is_the_one_of_jobs(engine: Any, home: Path) -> None:
    """Latents go back to the known picture at the noise level they have reached, and are let go one by one:
    the same as the stock pipeline with `SteeredScheduler`."""
    from impasto_server.compositing.masks import denoise_mask, levelled, release_mask, working_masks
    from impasto_server.engine import loading
    from impasto_server.engine.gate_hooks import Held, SteeredScheduler

    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    request = replace(REQUEST, model="dpm", mask="ramp", strength=0.8, steps=15, guidance=1.0)
    sitting = engine.sit(request, lambda: None)
    sitting.paint(IMAGE, ramp, (), lambda done, steps: True)
    run = 12
    lent = engine._live.ateliers[model_of(engine, "dpm")].loops.values()
    loop = next(one.loop for one in lent if one.loop.shape.masked and one.loop.shape.steps == run)
    folder = home / "models" / "dpm"
    pipeline = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    release = levelled(release_mask(denoise_mask(*working_masks(ramp, (64, 64))), 8), run)
    assert len(np.unique(release)) > 4
    inner = build(
        few_steps(("dpm",), type(pipeline.scheduler).__name__, pipeline.scheduler.config), pipeline.scheduler
    )
    pipeline.scheduler = SteeredScheduler(inner, run, lambda index, estimate: None, Held(release))
    arguments = {"timesteps": timesteps(inner.config, run, 0.8), "strength": 1.0}
    expected = pipeline(
        request.prompt,
        image=loading.encode(pipeline.vae, IMAGE / np.float32(255)),
        guidance_scale=1.0,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        **arguments,
    ).images
    found = loop._book[loop._at(run)].reshape(expected.shape)
    assert torch.allclose(found, expected, atol=2e-4)
