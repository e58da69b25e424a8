"""Stable Diffusion XL: what it declares, how it loads and reads, and that it paints what diffusers paints."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import BadModel
from impasto_protocol.messages import Control, GenerateRequest, Lora
from impasto_server.families import FamilyMismatch, family_of
from impasto_server.families.sdxl import FAMILY
from impasto_server.models.folder import read_folder
from safetensors.torch import load_file, save_file

from tests.engine.conftest import as_input, disc, picture
from tests.engine.gates import Listener
from tests.engine.scenes import geometry, part_of, request
from tests.fixtures import tiny, tiny_xl
from tests.texturing import shapes

PROMPT, NEGATIVE = "a red circle on a hill", "red"
REQUEST = GenerateRequest(PROMPT, NEGATIVE, model="xl", steps=3, seed=5)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    folder = tiny_xl.build(home / "models" / "xl")
    tiny.build_control(home / "controlnets" / "depth", folder, seed=1)
    tiny.build_lora(home / "loras" / "ink.safetensors", folder, seed=2, text=True)
    tiny.build_lora(home / "loras" / "kohya.safetensors", folder, seed=2, text=True, alpha=2.0)
    renamed = {_as_the_authors_name_it(k): v for k, v in load_file(home / "loras/kohya.safetensors").items()}
    save_file(renamed, home / "loras" / "authors.safetensors")
    return home


def _as_the_authors_name_it(tensor: str) -> str:
    """Of the tiny UNet's four attentions, with one layer per block."""
    names = {
        "down_blocks_1_attentions_0": "input_blocks_3_1",
        "mid_block_attentions_0": "middle_block_1",
        "up_blocks_0_attentions_0": "output_blocks_0_1",
        "up_blocks_0_attentions_1": "output_blocks_1_1",
    }
    for ours, theirs in names.items():
        tensor = tensor.replace(f"lora_unet_{ours}", f"lora_unet_{theirs}")
    assert "attentions" not in tensor
    return tensor


@pytest.fixture(scope="module")
def engine(home: Path) -> Any:
    from impasto_server.engine.diffusion import DiffusionEngine

    torch.set_num_threads(1)
    return DiffusionEngine(device="cpu", home=home)


def stock(home: Path, kind: str = "StableDiffusionXLPipeline", **more: Any) -> Any:
    import diffusers

    pipeline = getattr(diffusers, kind).from_pretrained(
        home / "models" / "xl", local_files_only=True, add_watermarker=False, **more
    )
    # SDXL's first configs carry steps_offset 1 already; the tiny one's is what `read_scheduler` would make.
    pipeline.scheduler = FAMILY.scheduler(FAMILY.load(home / "models" / "xl", torch.float32, None))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    return (pixels * 255 + 0.5).astype(np.uint8)


def test_the_folder_is_of_this_family(home: Path) -> None:
    source = read_folder(home / "models" / "xl", "xl")
    assert source.family is FAMILY is family_of({"_class_name": "StableDiffusionXLPipeline"})
    assert (source.info.native_px, source.info.default_steps, source.info.default_guidance) == (64, 25, 5.0)
    components = FAMILY.load(source.folder, torch.float32, None)
    weights = sum(
        value.numel() for part in components.modules.values() for value in part.state_dict().values()
    )
    assert weights == source.weight_values


def test_a_folder_without_its_second_encoder_is_refused(home: Path, tmp_path: Path) -> None:
    """The refiner is one: it continues where the base model stops, which is not supported."""
    import shutil

    folder = shutil.copytree(home / "models" / "xl", tmp_path / "xl")
    tiny.write_index(folder, text_encoder_2=[None, None])
    with pytest.raises(BadModel, match="text encoder 2"):
        read_folder(folder, "xl")


@pytest.mark.parametrize(
    ("unet", "vae"),
    [({"in_channels": 9}, {}), ({"addition_embed_type": None}, {}), ({}, {"latents_mean": [0.0] * 4})],
)
def test_variants_it_cannot_run_are_mismatches(home: Path, unet: dict[str, Any], vae: dict[str, Any]) -> None:
    configs = [
        json.loads((home / "models" / "xl" / part / "config.json").read_text()) for part in ("unet", "vae")
    ]
    with pytest.raises(FamilyMismatch):
        FAMILY.defaults({**configs[0], **unet}, {**configs[1], **vae})


def test_a_picture_equals_the_one_of_the_stock_pipeline(engine: Any, home: Path) -> None:
    expected = stock(home)(
        PROMPT, negative_prompt=NEGATIVE, num_inference_steps=3, guidance_scale=5.0,
        generator=torch.Generator().manual_seed(5), output_type="np",
    ).images[0]  # fmt: skip
    layer = engine.generate(REQUEST, {}, Listener())[0]
    assert np.array_equal(layer.pixels, as_bytes(expected))


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("negative", ["", "on"])
def test_prompts_are_read_as_the_stock_pipeline_reads_them(
    home: Path, guidance: float, negative: str
) -> None:
    """No negative prompt gives zeros where the model asks for them, as it does when a user names none."""
    components = FAMILY.load(home / "models" / "xl", torch.float32, None)
    embedded = FAMILY.embed(components, PROMPT, negative, guidance, "cpu")
    pipeline = stock(home)
    expected = pipeline.encode_prompt(
        PROMPT, do_classifier_free_guidance=guidance > 1.0, negative_prompt=negative or None
    )
    for name, value in zip(
        ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
        expected,
        strict=True,
    ):
        if guidance <= 1.0 and name.startswith("negative"):
            assert embedded[name] is None
        else:
            assert torch.equal(embedded[name], value), name
    if guidance > 1.0 and not negative:
        assert not embedded["negative_prompt_embeds"].any()


@torch.no_grad()
def test_long_and_weighted_prompts_reach_both_encoders(engine: Any, home: Path) -> None:
    components = FAMILY.load(home / "models" / "xl", torch.float32, None)
    plain = FAMILY.embed(components, "red on", "", 5.0, "cpu")
    heavy = FAMILY.embed(components, "(red:1.6) on", "", 5.0, "cpu")
    assert plain["prompt_embeds"].shape == heavy["prompt_embeds"].shape == (1, 16, 64)
    for half in (slice(0, 32), slice(32, 64)):
        assert not torch.equal(plain["prompt_embeds"][..., half], heavy["prompt_embeds"][..., half])
    assert torch.equal(plain["pooled_prompt_embeds"], heavy["pooled_prompt_embeds"])
    long = FAMILY.embed(components, "red on " * 30, "on", 5.0, "cpu")
    assert long["prompt_embeds"].shape == long["negative_prompt_embeds"].shape
    assert long["prompt_embeds"].shape[1] % 16 == 0 < long["prompt_embeds"].shape[1] - 16
    layer = engine.generate(replace(REQUEST, prompt="(red:1.6) on " * 30), {}, Listener())[0]
    assert layer.pixels.std() > 0


def test_pictures_are_repainted_and_inpainted(engine: Any) -> None:
    given = picture(72, 80)
    image = as_input(given)
    layer = engine.generate(replace(REQUEST, strength=0.6), {"image": image}, Listener())[0]
    assert layer.pixels.shape == given.shape
    assert not np.array_equal(layer.pixels, given)
    mask = disc(72, 80, 40, 36, 16)
    layer = engine.generate(REQUEST, {"image": image, "mask": as_input(mask)}, Listener())[0]
    covered = np.zeros((72, 80), bool)
    box = np.s_[
        layer.info.y : layer.info.y + layer.info.height, layer.info.x : layer.info.x + layer.info.width
    ]
    covered[box] = layer.pixels[:, :, 3] > 0
    assert covered.any()
    assert not (covered & (mask == 0)).any()


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_textures_are_painted(engine: Any, order: str) -> None:
    job = request(order=order, around=2)
    given = {"geometry": geometry(part_of(shapes.cube()))}
    layers = engine.generate(replace(job, model="xl", steps=3), given, Listener())
    assert [layer.info.name for layer in layers] == ["view 1", "view 2", "target 1"]
    assert "control depth" in layers[-1].info.recipe.adapters
    again = engine.generate(layers[-1].info.recipe.request, given, Listener())
    assert np.array_equal(again[-1].pixels, layers[-1].pixels)


def test_controls_steer_and_loras_are_worn(engine: Any, home: Path) -> None:
    models = {model.model: model for model in engine.models()}
    assert models["xl"].controls == ("depth",)
    assert {"authors", "ink", "kohya"} <= set(models["xl"].loras)
    plain = engine.generate(REQUEST, {}, Listener())[0].pixels
    depth = as_input(picture(64, 64, 1))
    asked = replace(REQUEST, controls=(Control("depth"),))
    steered = engine.generate(asked, {"control 1": depth}, Listener())[0].pixels
    assert not np.array_equal(steered, plain)
    tuned = {
        name: engine.generate(replace(REQUEST, loras=(Lora(name),)), {}, Listener())[0].pixels
        for name in ("authors", "ink", "kohya")
    }
    assert not np.array_equal(tuned["ink"], plain)
    assert np.array_equal(tuned["ink"], tuned["kohya"])  # alpha = rank: the same LoRA in three dialects
    assert np.array_equal(tuned["ink"], tuned["authors"])
    assert np.array_equal(engine.generate(REQUEST, {}, Listener())[0].pixels, plain)


def test_a_lora_in_the_second_encoder_alone_changes_what_is_read(engine: Any, home: Path) -> None:
    """Prompts are remembered by what they depend on: both encoders' LoRAs."""
    tensors = load_file(home / "loras" / "ink.safetensors")
    second = {name: value for name, value in tensors.items() if name.startswith("text_encoder_2.")}
    save_file(second, home / "loras" / "second.safetensors")
    plain = engine.generate(REQUEST, {}, Listener())[0].pixels
    tuned = engine.generate(replace(REQUEST, loras=(Lora("second"),)), {}, Listener())[0].pixels
    assert not np.array_equal(tuned, plain)


def test_nets_and_loras_of_the_other_family_do_not_fit(home: Path, tmp_path: Path) -> None:
    from impasto_server.models.catalogue import Catalogue

    tiny.build(home / "models" / "sd")
    catalogue = Catalogue(home)
    infos = {info.model: info for info in catalogue.infos()}
    assert infos["sd"].controls == infos["sd"].loras == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert infos["xl"].controls == ("depth",)
