"""LoRAs: worn by the job that asked for them, and by no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import BadModel, BadValue, UnknownModel
from impasto_protocol.messages import Control, GenerateRequest, Lora
from impasto_server.engine import adapters
from impasto_server.families.sd15 import FAMILY
from safetensors.torch import load_file, save_file

from tests.engine.conftest import as_input, by_role, model_of, picture
from tests.engine.gates import Listener
from tests.fixtures import tiny

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=4, seed=7)
INK, WASH = Lora("ink"), Lora("wash")


def paint(engine: Any, *loras: Lora, **changes: Any) -> np.ndarray:
    return engine.generate(replace(REQUEST, loras=loras, **changes), {}, Listener())[0].pixels


@pytest.fixture
def loras(tiny_home: Path) -> Iterator[Path]:
    """The folder of the artist's LoRAs; what a test adds goes afterwards."""
    folder = tiny_home / "loras"
    before = set(folder.iterdir())
    yield folder
    for path in set(folder.iterdir()) - before:
        path.unlink()


def stock(tiny_home: Path, lora: Path, strength: float = 1.0) -> np.ndarray:
    """What diffusers itself paints with a LoRA file."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_home / "models" / "tiny", safety_checker=None)
    pipeline.scheduler = FAMILY.scheduler(FAMILY.load(tiny_home / "models" / "tiny", torch.float32, None))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(lora.parent, weight_name=lora.name, adapter_name="given")
    pipeline.set_adapters("given", strength)
    painted = pipeline(
        "a red circle", negative_prompt="", num_inference_steps=4, guidance_scale=7.5,
        generator=torch.Generator().manual_seed(7), output_type="np",
    ).images[0]  # fmt: skip
    return (painted * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize("strength", [1.0, 0.5, -1.0])
@pytest.mark.parametrize("name", ["ink", "by others/wash"])
def test_a_picture_equals_the_stock_pipeline_s(
    engine: Any, tiny_home: Path, name: str, strength: float
) -> None:
    path = tiny_home / "loras" / f"{name}.safetensors"
    assert np.array_equal(paint(engine, Lora(path.stem, strength)), stock(tiny_home, path, strength))


@pytest.mark.parametrize("text", [False, True], ids=["unet", "text encoder too"])
def test_kohya_s_dialect_and_its_alpha_mean_the_same(
    engine: Any, tiny_home: Path, loras: Path, text: bool
) -> None:
    model = tiny_home / "models" / "tiny"
    path = tiny.build_lora(loras / "kohya.safetensors", model, seed=9, text=text, alpha=1.0)
    assert np.array_equal(paint(engine, Lora("kohya")), stock(tiny_home, path))
    same = tiny.build_lora(loras / "same.safetensors", model, seed=9, text=text)
    assert np.array_equal(paint(engine, Lora("kohya")), paint(engine, Lora("same", 0.5))), "alpha 1 of rank 2"
    assert not np.array_equal(stock(tiny_home, same), stock(tiny_home, path))


def saved_by_peft(model: Path, folder: Path, alpha: int) -> Path:
    """A LoRA as a training script saves it: peft's configuration in the header."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.training_utils import _collate_lora_metadata
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(3)
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    unet.add_adapter(
        LoraConfig(r=2, lora_alpha=alpha, target_modules=["to_k", "to_v"], init_lora_weights=False)
    )
    StableDiffusionPipeline.save_lora_weights(
        folder,
        get_peft_model_state_dict(unet),
        weight_name="trained.safetensors",
        **_collate_lora_metadata({"unet": unet}),
    )
    return folder / "trained.safetensors"


def test_the_alpha_that_peft_writes_into_the_header_counts(engine: Any, tiny_home: Path, loras: Path) -> None:
    path = saved_by_peft(tiny_home / "models" / "tiny", loras, alpha=8)
    assert np.array_equal(paint(engine, Lora("trained")), stock(tiny_home, path))
    assert np.array_equal(paint(engine, Lora("trained")), paint(engine, Lora("trained", 1.0)))
    assert not np.array_equal(paint(engine, Lora("trained")), paint(engine, Lora("trained", 0.25)))


def test_what_else_a_header_asks_of_peft_is_not_done(engine: Any, tiny_home: Path, loras: Path) -> None:
    """PiSSA would decompose the model's own weights, which all jobs share."""
    base = paint(engine)
    tensors = load_file(tiny_home / "loras" / "ink.safetensors")
    wish = {
        "unet.r": 2,
        "unet.lora_alpha": 2,
        "unet.init_lora_weights": "pissa",
        "unet.target_modules": ["to_q"],
    }
    save_file(tensors, loras / "greedy.safetensors", {"lora_adapter_metadata": json.dumps(wish)})
    assert np.array_equal(paint(engine, Lora("greedy")), paint(engine, INK))
    assert np.array_equal(paint(engine), base)


@pytest.mark.parametrize(
    "metadata", ["[" * 100_000, "[]", '{"unet.alpha_pattern": 3, "unet.lora_alpha": "x"}']
)
def test_a_header_that_makes_no_sense_says_nothing(
    engine: Any, tiny_home: Path, loras: Path, metadata: str
) -> None:
    tensors = load_file(tiny_home / "loras" / "ink.safetensors")
    save_file(tensors, loras / "odd.safetensors", {"lora_adapter_metadata": metadata})
    assert np.array_equal(paint(engine, Lora("odd")), paint(engine, INK))


def test_weight_zero_is_bit_identical_to_the_base_before_and_after_others(engine: Any) -> None:
    engine._shelf.models.clear()
    base = paint(engine)
    assert model_of(engine, "tiny").adapters.loras == {}
    for worn in ((INK,), (WASH,), (INK, WASH), (replace(INK, strength=-2.0),)):
        assert not np.array_equal(paint(engine, *worn), base)
        assert np.array_equal(paint(engine), base)
        assert np.array_equal(paint(engine, replace(INK, strength=0.0), replace(WASH, strength=0.0)), base)
    layer = engine.generate(replace(REQUEST, loras=(replace(INK, strength=0.0), WASH)), {}, Listener())[0]
    assert list(layer.info.recipe.adapters) == ["lora wash"]
    assert np.array_equal(layer.pixels, paint(engine, WASH))


def test_the_lora_of_one_job_is_never_in_another(engine: Any) -> None:
    engine._shelf.models.clear()
    jobs = [(), (INK,), (WASH,), (INK, WASH), (WASH, replace(INK, strength=0.5))]
    first = [paint(engine, *worn) for worn in jobs]
    assert len({pixels.tobytes() for pixels in first}) == len(jobs)
    for worn, expected in [*zip(jobs, first, strict=True)][::-1]:
        assert np.array_equal(paint(engine, *worn), expected)


def test_words_are_read_anew_where_a_lora_reads_them_otherwise(engine: Any) -> None:
    model = model_of(engine, "tiny")
    model.prompts = type(model.prompts)()
    read = []  # the prompt and the negative one
    handle = model.modules["text_encoder"].register_forward_pre_hook(lambda *_: read.append(1))
    try:
        for worn, times in (((), 2), ((INK,), 0), ((WASH,), 2), ((replace(WASH, strength=0.5),), 2), ((), 0)):
            read.clear()
            paint(engine, *worn, prompt="not read yet")
            assert len(read) == times
    finally:
        handle.remove()


def test_with_a_control_both_are_seen(engine: Any) -> None:
    request = replace(REQUEST, controls=(Control("depth"),))
    shades = [as_input(picture(64, 64, channels=1))]
    plain = engine.generate(request, by_role(None, None, shades), Listener())[0]
    both = engine.generate(replace(request, loras=(INK,)), by_role(None, None, shades), Listener())[0]
    assert not np.array_equal(both.pixels, plain.pixels)
    assert not np.array_equal(both.pixels, paint(engine, INK))
    assert sorted(both.info.recipe.adapters) == ["control depth", "lora ink"]
    assert np.array_equal(
        engine.generate(request, by_role(None, None, shades), Listener())[0].pixels, plain.pixels
    )


def test_idle_loras_leave_and_come_back_the_same(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "_IDLE_LORAS", 0)
    engine._shelf.models.clear()
    base, ink = paint(engine), paint(engine, INK)
    paint(engine, WASH)
    assert len(model_of(engine, "tiny").adapters.loras) == 1
    layers = {name for name, _ in model_of(engine, "tiny").denoiser.named_parameters() if "lora" in name}
    assert len({name.split(".lora_A.")[1] for name in layers if ".lora_A." in name}) == 1
    assert np.array_equal(paint(engine, INK), ink)
    assert np.array_equal(paint(engine), base)


def test_a_lora_may_leave_while_it_is_worn_and_another_stays(engine: Any) -> None:
    ink = engine.generate(replace(REQUEST, loras=(INK,)), {}, Listener())[0]
    wash = paint(engine, WASH)
    model = model_of(engine, "tiny")
    model.adapters.shed(model.modules, ink.info.recipe.adapters.values(), all_idle=True)
    assert len(model.adapters.loras) == 1
    assert np.array_equal(paint(engine, INK), ink.pixels)
    assert np.array_equal(paint(engine, WASH), wash)


def test_a_lora_in_half_precision_is_computed_in_the_model_s(
    engine: Any, tiny_home: Path, loras: Path
) -> None:
    half = {name: value.half() for name, value in load_file(tiny_home / "loras" / "ink.safetensors").items()}
    save_file(half, loras / "half.safetensors")
    paint(engine, Lora("half"))
    assert {p.dtype for p in model_of(engine, "tiny").denoiser.parameters()} == {torch.float32}


@pytest.mark.parametrize("outer", ["tiny", "little"])
def test_loras_loaded_while_a_job_waits_can_be_worn_later(engine: Any, outer: str) -> None:
    engine._shelf.models.clear()
    inside: list[np.ndarray] = []

    class Yields(Listener):
        def check(self) -> None:
            super().check()
            if self.checks == 3:
                inside.append(paint(engine, WASH))

    engine.generate(replace(REQUEST, model=outer), {}, Yields())
    assert np.array_equal(paint(engine, INK, WASH), paint(engine, INK, WASH))
    assert np.array_equal(paint(engine, WASH), inside[0])


@pytest.mark.parametrize(
    ("lora", "error", "words"),
    [
        (Lora("pen"), UnknownModel, "no LoRA “pen” here. There are: .*ink"),
        (Lora("../ink"), UnknownModel, "no LoRA"),
        (Lora("ink", 4.5), BadValue, "between -4 and 4"),
        (Lora("ink", float("nan")), BadValue, "between -4 and 4"),
    ],
)
def test_what_cannot_be_worn_gets_a_sentence(
    engine: Any, lora: Lora, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        paint(engine, lora)


def test_a_lora_named_twice_gets_a_sentence(engine: Any) -> None:
    with pytest.raises(BadValue, match="twice"):
        paint(engine, INK, replace(INK, strength=0.5))


def test_files_that_are_no_plain_lora_or_do_not_fit_are_not_offered_and_say_why(
    engine: Any, tiny_home: Path, loras: Path
) -> None:
    ink = load_file(tiny_home / "loras" / "ink.safetensors")
    (loras / "cut.safetensors").write_bytes((loras / "ink.safetensors").read_bytes()[:-5])
    save_file({f"{name}.lokr_w1": value for name, value in ink.items()}, loras / "lokr.safetensors")
    save_file(dict(list(ink.items())[:1]), loras / "half of it.safetensors")
    wide = {name: torch.zeros(2, 48) if "lora_A" in name else value for name, value in ink.items()}
    save_file(wide, loras / "wide.safetensors")
    words = {
        "cut": "is cut short",
        "lokr": "no plain LoRA",
        "half of it": "lacks some",
        "wide": "made for another kind of model than “tiny”",
    }
    (offered,) = (model.loras for model in engine.models() if model.model == "tiny")
    assert offered == ("ink", "wash")
    for name, sentence in words.items():
        with pytest.raises(BadModel, match=sentence):
            paint(engine, Lora(name))


def test_a_lora_that_fails_to_load_leaves_the_model_as_it_was(
    engine: Any, loras: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = paint(engine, INK)
    other = tiny.build_lora(loras / "other.safetensors", loras.parent / "models" / "tiny", seed=11)
    load = type(FAMILY).load_lora

    def fails(self: Any, *arguments: Any) -> None:
        load(self, *arguments)
        raise ValueError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(type(FAMILY), "load_lora", fails)
        with pytest.raises(BadModel, match="LoRA “other” cannot be loaded"):
            paint(engine, Lora(other.stem))
    assert np.array_equal(paint(engine, INK), base)
    paint(engine, Lora(other.stem))


def test_a_lora_for_one_model_is_offered_for_models_of_its_kind_only(tiny_home: Path, engine: Any) -> None:
    offered = {model.model: model.loras for model in engine.models()}
    assert offered["tiny"]
    assert not set(offered["tiny"]) & set(offered["pocket"])
