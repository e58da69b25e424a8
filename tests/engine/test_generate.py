"""Text to image: what comes out, when it stops, and that it can be painted again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import BadModel, BadValue, EmptyPrompt, UnknownModel
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Cancelled
from impasto_server.families.sd15 import FAMILY

from tests.engine.conftest import model_of
from tests.engine.gates import Canceller, Listener

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=4, seed=7)


def test_a_picture_equals_the_one_of_the_stock_pipeline(engine: Any, tiny_home: Path) -> None:
    from diffusers import StableDiffusionPipeline

    stock = StableDiffusionPipeline.from_pretrained(tiny_home / "models" / "tiny", safety_checker=None)
    stock.scheduler = FAMILY.scheduler(FAMILY.load(tiny_home / "models" / "tiny", torch.float32, None))
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        "a red circle", negative_prompt="", num_inference_steps=4, guidance_scale=7.5,
        generator=torch.Generator().manual_seed(7), output_type="np",
    ).images[0]  # fmt: skip
    layer = engine.generate(REQUEST, {}, Listener())[0]
    assert layer.info.recipe.request.guidance == 7.5
    assert np.array_equal(layer.pixels, (expected * 255 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (72, 56), (61, 67), (8, 8), (200, 90), (1, 1), (16, 300)])
def test_the_layer_has_the_size_asked_for(engine: Any, size: tuple[int, int]) -> None:
    request = replace(REQUEST, width=size[0], height=size[1], steps=2)
    layer = engine.generate(request, {}, Listener())[0]
    assert layer.pixels.shape == (size[1], size[0], 3)
    assert (layer.info.width, layer.info.height, layer.info.format) == (*size, PixelFormat.RGB8)


def test_an_open_size_is_the_native_one(engine: Any) -> None:
    layer = engine.generate(replace(REQUEST, steps=1), {}, Listener())[0]
    assert (layer.info.width, layer.info.height) == (64, 64)


def test_a_large_picture_gets_a_second_pass(engine: Any) -> None:
    gate = Listener()
    engine.generate(replace(REQUEST, width=128, height=128, steps=10), {}, gate)
    assert gate.stages == [
        *["loading"] * (gate.stages[0] == "loading"),
        *("sampling", "decoding", "encoding", "sampling", "decoding", "compositing"),
    ]
    assert [report for report in gate.reports if report[0] == "sampling"][-1] == ("sampling", 14, 14)


def test_takes_are_the_seeds_that_follow(engine: Any) -> None:
    three = engine.generate(replace(REQUEST, takes=3), {}, Listener())
    assert [layer.info.recipe.request.seed for layer in three] == [7, 8, 9]
    for layer in three:
        again = engine.generate(replace(REQUEST, seed=layer.info.recipe.request.seed), {}, Listener())
        assert np.array_equal(again[0].pixels, layer.pixels)
    assert not np.array_equal(three[0].pixels, three[1].pixels)


def test_a_recipe_has_every_choice_made_and_paints_the_same_bytes(engine: Any) -> None:
    open_request = GenerateRequest(prompt="a red circle", model="little")
    layer = engine.generate(open_request, {}, Listener())[0]
    recipe = layer.info.recipe
    made = recipe.request
    assert made.seed >= 0 < made.width == made.height == 64
    assert (made.steps, made.guidance, made.takes) == (20, 7.5, 1)
    assert recipe.sampler == "DPMSolverMultistepScheduler"
    assert len(recipe.model_digest) == 64
    assert recipe.software["torch"] == torch.__version__ or recipe.software["torch"]
    assert np.array_equal(engine.generate(made, {}, Listener())[0].pixels, layer.pixels)


def test_the_same_seed_gives_the_same_bytes_after_other_jobs(engine: Any) -> None:
    first = engine.generate(REQUEST, {}, Listener())[0].pixels
    torch.manual_seed(99)
    for other in (replace(REQUEST, model="little"), replace(REQUEST, model="ancestral", seed=3, steps=9)):
        engine.generate(other, {}, Listener())
    assert np.array_equal(engine.generate(REQUEST, {}, Listener())[0].pixels, first)


def test_the_gate_is_met_before_every_denoiser_call_and_progress_counts_them(engine: Any) -> None:
    gate = Listener()
    engine.generate(REQUEST, {}, Listener())  # reads the negative prompt, which stays the same
    engine.generate(replace(REQUEST, prompt="not yet sent", steps=6, takes=2), {}, gate)
    steps = [(step, steps) for stage, step, steps in gate.reports if stage == "sampling"]
    assert sorted({step for step, _ in steps}) == list(range(13))
    assert {total for _, total in steps} == {12}
    at_the_start, prompts, steps_run, decodes = 1, 1, 12, 2
    assert gate.checks == at_the_start + prompts + steps_run + decodes


@pytest.mark.parametrize("negative", ["", "on", "(on:1.3)"])
@pytest.mark.parametrize("prompt", ["a red", "(a red:1.2) on", "on " * 30])
@pytest.mark.parametrize("before", ["red", "(red:1.2)", "red " * 30])
def test_what_was_read_before_does_not_change_what_a_prompt_means(
    engine: Any, before: str, prompt: str, negative: str
) -> None:
    """Of an earlier reading only the negative prompt is taken over, and only where it is the same."""
    request = replace(REQUEST, prompt=prompt, negative=negative, steps=1)
    painted = []
    for earlier in ((), (replace(request, prompt=before),)):
        model = model_of(engine, "tiny")
        model.prompts = type(model.prompts)()
        for other in earlier:
            engine.generate(other, {}, Listener())
        painted.append(engine.generate(request, {}, Listener())[0].pixels.tobytes())
    assert painted[0] == painted[1]


def test_words_that_were_read_once_are_not_read_again_and_paint_the_same_bytes(engine: Any) -> None:
    request = replace(REQUEST, prompt="kept", negative="blur")
    first, again, other = Listener(), Listener(), Listener()
    fresh = engine.generate(request, {}, first)[0].pixels
    for number in range(40):  # more than are kept
        engine.generate(replace(REQUEST, prompt=f"others {number}", steps=1), {}, Listener())
    assert np.array_equal(engine.generate(request, {}, again)[0].pixels, fresh)
    assert np.array_equal(engine.generate(request, {}, other)[0].pixels, fresh)
    assert (first.checks, again.checks, other.checks) == (first.checks, first.checks, first.checks - 2)


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_cancelled_job_stops_at_the_gate_and_leaves_the_engine_sound(engine: Any, at: int) -> None:
    expected = engine.generate(REQUEST, {}, Listener())[0].pixels
    gate = Canceller(at=at)
    with pytest.raises(Cancelled):
        engine.generate(REQUEST, {}, gate)
    assert gate.checks == at
    assert np.array_equal(engine.generate(REQUEST, {}, Listener())[0].pixels, expected)


def test_previews_are_small_pictures_of_each_step(engine: Any) -> None:
    gate = Listener(previews=True)
    engine.generate(replace(REQUEST, width=72, height=56), {}, gate)
    assert len(gate.shown) == 4
    assert {(p.width, p.height, p.format) for p in gate.shown} == {(9, 7, PixelFormat.RGB8)}
    assert all(p.data is not None and len(p.data) == 9 * 7 * 3 for p in gate.shown)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"prompt": "  "}, EmptyPrompt),
        ({"model": "no-such"}, UnknownModel),
        ({"model": "../tiny"}, UnknownModel),
        ({"strength": 1.5}, BadValue),
        ({"strength": float("nan")}, BadValue),
        ({"guidance": float("nan")}, BadValue),
        ({"steps": -1}, BadValue),
        ({"steps": 2000}, BadValue),
        ({"takes": 0}, BadValue),
        ({"width": -8}, BadValue),
        ({"seed": 2**63}, BadValue),
        ({"fill": "marble"}, BadValue),
    ],
)
def test_what_cannot_be_painted_is_said_before_any_step(
    engine: Any, change: dict[str, Any], error: type[Exception]
) -> None:
    gate = Listener()
    with pytest.raises(error):
        engine.generate(replace(REQUEST, **change), {}, gate)
    assert gate.checks == 0


def test_a_model_whose_files_do_not_fit_together_is_a_bad_model(engine: Any, tiny_home: Path) -> None:
    import shutil

    folder = tiny_home / "models" / "mixed"
    shutil.copytree(tiny_home / "models" / "tiny", folder)
    config = json.loads((folder / "unet" / "config.json").read_text())
    config["block_out_channels"] = [16, 64]
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadModel, match="mixed"):
        engine.generate(replace(REQUEST, model="mixed"), {}, Listener())
    shutil.rmtree(folder)
    assert engine.generate(REQUEST, {}, Listener())


def test_a_model_put_there_while_the_server_runs_is_found(engine: Any, tiny_home: Path) -> None:
    import shutil

    assert "late" not in {info.model for info in engine.models()}
    shutil.copytree(tiny_home / "models" / "tiny", tiny_home / "models" / "late")
    assert "late" in {info.model for info in engine.models()}
    late = engine.generate(replace(REQUEST, model="late"), {}, Listener())[0]
    assert np.array_equal(late.pixels, engine.generate(REQUEST, {}, Listener())[0].pixels)
    shutil.rmtree(tiny_home / "models" / "late")


def test_a_broken_picture_is_an_error_not_a_layer(engine: Any) -> None:
    engine.generate(REQUEST, {}, Listener())
    model = next(m for m in engine._shelf.models.values() if m.source.info.model in ("tiny", "late"))
    handle = model.modules["vae"].decoder.register_forward_hook(lambda *a: a[-1] * float("nan"))
    try:
        with pytest.raises(BadModel, match="broken picture"):
            engine.generate(REQUEST, {}, Listener())
    finally:
        handle.remove()
