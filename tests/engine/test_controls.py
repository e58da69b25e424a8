"""Control images: what reaches the ControlNets, when, and what that does to the picture."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import BadImage, BadModel, BadValue, OutOfMemory, SizeMismatch, UnknownModel
from impasto_protocol.messages import Control, GenerateRequest
from impasto_server.compositing.inpaint import plan_inpaint
from impasto_server.engine import shelf
from impasto_server.engine.control_images import ControlImage
from impasto_server.engine.interface import Cancelled, Input

from tests.engine.conftest import as_input, by_role, disc, model_of, picture
from tests.engine.gates import Canceller, Listener
from tests.fixtures import tiny

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=4, seed=7)
SCRIBBLE, DEPTH = Control("scribble"), Control("depth", strength=0.5)


def lines(height: int = 64, width: int = 64, row: int = 20, column: int = 30) -> Input:
    """A white cross on black, one pixel wide."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[row], pixels[:, column] = 255, 255
    return as_input(pixels)


def shades(height: int = 64, width: int = 64) -> Input:
    return as_input(picture(height, width, channels=1))


def paint(engine: Any, request: GenerateRequest, *inputs: Any, controls: Any = ()) -> Any:
    return engine.generate(request, by_role(*inputs, controls=controls), Listener())[0]


@contextmanager
def overheard(engine: Any, kind: str) -> Iterator[list[torch.Tensor]]:
    """The control images that reach the ControlNet of a kind, one for each call."""
    seen: list[torch.Tensor] = []

    def before(_module: Any, _inputs: Any, named: dict[str, Any]) -> None:
        seen.append(named["controlnet_cond"] if "controlnet_cond" in named else _inputs[3])

    handle = net_of(engine, kind).register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def net_of(engine: Any, kind: str) -> Any:
    """A ControlNet of the tiny model, loaded if it is not."""
    layer = paint(engine, replace(REQUEST, steps=1, controls=(Control(kind),)), controls=[lines()])
    return model_of(engine, "tiny").adapters.nets[layer.info.recipe.adapters[f"control {kind}"]].module


def test_a_picture_equals_the_one_of_the_stock_pipeline_with_two_nets(engine: Any, tiny_home: Path) -> None:
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline

    nets = [
        ControlNetModel.from_pretrained(tiny_home / "controlnets" / name)
        for name in ("scribble", "control_sd15_depth")
    ]
    stock = StableDiffusionControlNetPipeline.from_pretrained(
        tiny_home / "models" / "tiny", controlnet=nets, safety_checker=None
    )
    stock.set_progress_bar_config(disable=True)
    scribble, depth = lines(), shades()
    given = [torch.from_numpy(one.pixels / np.float32(255)).expand(1, 3, 64, 64) for one in (scribble, depth)]
    expected = stock(
        "a red circle", image=given, negative_prompt="", num_inference_steps=4, guidance_scale=7.5,
        controlnet_conditioning_scale=[1.0, 0.5], control_guidance_end=[1.0, 0.5],
        generator=torch.Generator().manual_seed(7), output_type="np",
    ).images[0]  # fmt: skip
    request = replace(REQUEST, controls=(SCRIBBLE, replace(DEPTH, end=0.5)))
    layer = paint(engine, request, controls=[scribble, depth])
    assert np.array_equal(layer.pixels, (expected * 255 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("inputs", [(), ("image",), ("image", "mask")], ids=len)
def test_strength_zero_is_bit_identical_to_no_control(engine: Any, inputs: tuple[str, ...]) -> None:
    pictures = {"image": as_input(picture(64, 64)), "mask": as_input(disc(64, 64, 30, 34, 14))}
    given = [pictures[name] for name in inputs]
    none = paint(engine, REQUEST, *given).pixels
    off = paint(
        engine, replace(REQUEST, controls=(replace(SCRIBBLE, strength=0.0),)), *given, controls=[lines()]
    )
    on = paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), *given, controls=[lines()])
    assert np.array_equal(off.pixels, none)
    assert off.info.recipe.adapters == {}
    assert not np.array_equal(on.pixels, none)
    both = replace(REQUEST, controls=(SCRIBBLE, replace(DEPTH, strength=0.0)))
    assert np.array_equal(paint(engine, both, *given, controls=[lines(), shades()]).pixels, on.pixels)


def test_strength_the_image_and_each_of_two_nets_matter(engine: Any) -> None:
    def of(*controls: Control, images: Any) -> bytes:
        return paint(engine, replace(REQUEST, controls=controls), controls=images).pixels.tobytes()

    pictures = {
        of(SCRIBBLE, images=[lines()]),
        of(replace(SCRIBBLE, strength=0.5), images=[lines()]),
        of(SCRIBBLE, images=[lines(row=50)]),
        of(DEPTH, images=[lines()]),
        of(SCRIBBLE, DEPTH, images=[lines(), shades()]),
    }
    assert len(pictures) == 5


@pytest.mark.parametrize(
    ("start", "end", "at_work"),
    [
        (0.0, 1.0, [True] * 4),
        (0.0, 0.5, [True, True, False, False]),
        (0.5, 1.0, [False, False, True, True]),
        (0.25, 0.75, [False, True, True, False]),
    ],
)
def test_a_control_works_from_start_to_end(
    engine: Any, start: float, end: float, at_work: list[bool]
) -> None:
    paint(engine, REQUEST)
    felt = []

    def before(_module: Any, _inputs: Any, named: dict[str, Any]) -> None:
        residual = named.get("mid_block_additional_residual")
        felt.append(residual is not None and bool(residual.abs().max() > 0))

    handle = model_of(engine, "tiny").denoiser.register_forward_pre_hook(before, with_kwargs=True)
    try:
        request = replace(REQUEST, controls=(replace(SCRIBBLE, start=start, end=end),))
        with overheard(engine, "scribble") as calls:
            felt.clear()
            paint(engine, request, controls=[lines()])
    finally:
        handle.remove()
    assert felt == at_work
    assert len(calls) == sum(at_work), "the net rests for the others"


def test_a_line_is_where_it_belongs_in_the_crop_and_in_both_passes(engine: Any) -> None:
    """A selection far from the corner of a canvas that is larger than the model: the context is cut out."""
    height, width, row, column = 400, 500, 300, 410
    image, mask = as_input(picture(height, width)), as_input(disc(height, width, 400, 290, 40))
    request = replace(REQUEST, controls=(SCRIBBLE,))
    with overheard(engine, "scribble") as seen:
        paint(engine, request, image, mask, controls=[lines(height, width, row, column)])
    plan = plan_inpaint(image.pixels, mask.pixels, native=64, strength=1.0).crop
    assert plan.context.x > 0 < plan.context.y
    assert plan.hires_content is not None
    for given, content, working in (
        (seen[0], plan.content, plan.working),
        (seen[-1], plan.hires_content, plan.hires_working),
    ):
        control = given[0, 0].numpy()
        assert control.shape == working[::-1]
        x = int((column - plan.context.x + 0.5) * content[0] / plan.context.width)
        y = int((row - plan.context.y + 0.5) * content[1] / plan.context.height)
        assert (control[y, : content[0]].min(), control[: content[1], x].min()) == (1.0, 1.0)
        rest = np.delete(np.delete(control[: content[1], : content[0]], y, 0), x, 1)
        assert rest.max() == 0.0, "one pixel wide, and nowhere else"


@pytest.mark.parametrize("strength", [0.3, 0.9])
def test_a_whole_picture_s_control_has_the_size_of_each_pass(engine: Any, strength: float) -> None:
    image = as_input(picture(130, 170))
    request = replace(REQUEST, strength=strength, controls=(DEPTH,))
    with overheard(engine, "depth") as seen:
        paint(engine, request, image, controls=[shades(130, 170)])
    sizes = list(dict.fromkeys(tuple(one.shape[-2:]) for one in seen))
    assert sizes == ([(112, 152)] if strength <= 0.5 else [(56, 80), (112, 152)])
    for one in seen:
        # Guided and unguided halves of the batch see the same, also after resampling.
        assert torch.equal(one[0], one[1])
        assert abs(float(one[0].mean()) - picture(130, 170, channels=1).mean() / 255) < 0.02


def test_takes_share_what_was_made_of_the_control_image(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cuts: list[object] = []
    cut = ControlImage.cut
    monkeypatch.setattr(ControlImage, "cut", lambda *a: (cuts.append(a), cut(*a))[1])
    request = replace(REQUEST, takes=3, width=128, height=128, controls=(SCRIBBLE,))
    layers = engine.generate(request, {"control 1": lines(128, 128)}, Listener())
    assert len(cuts) == 2, "one for each of two passes"
    alone = replace(request, seed=REQUEST.seed + 2, takes=1)
    assert np.array_equal(paint(engine, alone, controls=[lines(128, 128)]).pixels, layers[2].pixels)


def test_an_open_size_is_the_control_image_s(engine: Any) -> None:
    layer = paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines(56, 72)])
    assert (layer.info.width, layer.info.height) == (72, 56)


def test_a_recipe_names_the_nets_and_paints_the_same_bytes(engine: Any) -> None:
    request = replace(REQUEST, seed=-1, controls=(Control("edges"), DEPTH))
    inputs = [lines(), shades()]
    layer = paint(engine, request, controls=inputs)
    recipe = layer.info.recipe
    assert {role: len(digest) for role, digest in recipe.adapters.items()} == {
        "control edges": 64,
        "control depth": 64,
    }
    assert [control.image for control in recipe.request.controls] == [one.ref for one in inputs]
    again = paint(engine, recipe.request, controls=inputs)
    assert again.info.recipe == recipe
    assert np.array_equal(again.pixels, layer.pixels)


def test_the_gate_is_met_before_every_net_and_a_cancelled_job_leaves_no_trace(engine: Any) -> None:
    request = replace(REQUEST, controls=(SCRIBBLE, DEPTH))
    inputs = [lines(), shades()]
    expected = paint(engine, request, controls=inputs).pixels
    plain, gate = Listener(), Listener()
    engine.generate(REQUEST, {}, plain)
    engine.generate(request, by_role(None, None, inputs), gate)
    assert gate.checks == plain.checks + 2 * REQUEST.steps
    for at in range(1, gate.checks + 1):
        with pytest.raises(Cancelled):
            engine.generate(request, by_role(None, None, inputs), Canceller(at=at))
    assert np.array_equal(paint(engine, request, controls=inputs).pixels, expected)


@pytest.mark.parametrize(
    ("control", "given", "error", "words"),
    [
        (
            Control("pose"),
            lines(),
            UnknownModel,
            "no ControlNet for “pose”. There are: depth, scribble, edges",
        ),
        (Control("../scribble"), lines(), UnknownModel, "no ControlNet"),
        (Control("scribble", strength=2.5), lines(), BadValue, "between 0 and 2"),
        (Control("scribble", strength=float("nan")), lines(), BadValue, "between 0 and 2"),
        (Control("scribble", start=0.5, end=0.5), lines(), BadValue, "before it ends"),
        (Control("scribble"), lines(64, 63), SizeMismatch, "63×64 px and the picture 64×64"),
        (Control("scribble"), as_input(np.ones((64, 64), np.float32)), BadImage, "depth"),
    ],
)
def test_what_cannot_be_followed_gets_a_sentence(
    engine: Any, control: Control, given: Input, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        paint(engine, replace(REQUEST, width=64, height=64, controls=(control,)), controls=[given])


def test_a_control_without_its_image_gets_a_sentence(engine: Any) -> None:
    with pytest.raises(BadValue, match="needs its image"):
        paint(engine, replace(REQUEST, controls=(SCRIBBLE,)))


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("failures", "tier"), [(1, "tiled"), (2, "sliced")])
def test_a_net_short_of_memory_makes_the_job_step_down(engine: Any, failures: int, tier: str) -> None:
    request = replace(REQUEST, controls=(DEPTH,))
    undisturbed = paint(engine, request, controls=[shades()])
    net = net_of(engine, "depth")
    left = [failures]
    seen = set()

    def before(*_: object) -> None:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.update(type(processor).__name__ for processor in net.attn_processors.values())

    handle = net.register_forward_pre_hook(before)
    try:
        layer = paint(engine, request, controls=[shades()])
        assert seen == {"SlicedAttnProcessor" if tier == "sliced" else "AttnProcessor2_0"}
        assert layer.info.recipe.software["memory"] == tier
        assert np.abs(layer.pixels.astype(int) - undisturbed.pixels.astype(int)).max() <= 1
        seen.clear()
        assert np.array_equal(paint(engine, request, controls=[shades()]).pixels, undisturbed.pixels)
        assert seen == {"AttnProcessor2_0"}
    finally:
        handle.remove()


def test_a_net_too_large_to_load_is_said_and_the_next_job_works(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto_server.families.sd15 import SD15

    expected = paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines()]).pixels
    engine._shelf.models.clear()

    def load(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(SD15, "load_control", load)
        with pytest.raises(OutOfMemory, match="ControlNet “scribble”"):
            paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines()])
    assert np.array_equal(
        paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines()]).pixels, expected
    )


def test_nets_nobody_uses_make_room_but_never_those_at_work(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine._shelf.models.clear()
    monkeypatch.setattr(shelf, "_memory_bytes", lambda _device: 1)

    def held() -> int:
        return len(model_of(engine, "tiny").adapters.nets)

    class Watches(Listener):
        def check(self) -> None:
            super().check()
            if self.checks == 4:
                paint(engine, replace(REQUEST, controls=(DEPTH,)), controls=[shades()])
                assert held() == 2, "the one that waits keeps its own"

    request = replace(REQUEST, controls=(SCRIBBLE,))
    alone = paint(engine, request, controls=[lines()]).pixels
    assert np.array_equal(engine.generate(request, {"control 1": lines()}, Watches())[0].pixels, alone)
    weights = model_of(engine, "tiny").weight_values
    paint(engine, replace(REQUEST, controls=(Control("edges"), DEPTH)), controls=[lines(), shades()])
    assert held() == 2
    assert model_of(engine, "tiny").weight_values == weights > model_of(engine, "tiny").source.weight_values


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own_home(tiny_home: Path, tmp_path: Path) -> Path:
    """A home of its own, to break things in."""
    shutil.copytree(tiny_home / "models" / "tiny", tmp_path / "models" / "tiny")
    tiny.build_control(tmp_path / "controlnets" / "scribble", tmp_path / "models" / "tiny")
    return tmp_path


def _cut_short(folder: Path) -> None:
    path = folder / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def _pickled(folder: Path) -> None:
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")


def _another_class(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_class_name": "ControlNetXSAdapter"}))


@pytest.mark.parametrize(
    ("harm", "words"),
    [(_cut_short, "is cut short"), (_pickled, "pickle"), (_another_class, "no plain ControlNet")],
)
def test_a_broken_net_is_not_offered_and_asked_for_by_name_says_why(
    own_home: Path, harm: Any, words: str
) -> None:
    from impasto_server.engine.diffusion import DiffusionEngine

    harm(own_home / "controlnets" / "scribble")
    engine = DiffusionEngine(device="cpu", home=own_home)
    pocket, own = engine.models()
    assert (pocket.model, own.controls) == ("pocket", ())
    with pytest.raises(BadModel, match=words):
        paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines()])
    paint(engine, REQUEST)


def test_weights_that_do_not_fit_the_config_get_a_sentence_and_the_model_goes_on(own_home: Path) -> None:
    from impasto_server.engine.diffusion import DiffusionEngine

    path = own_home / "controlnets" / "scribble" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "conditioning_embedding_out_channels": [8, 8, 16, 24]}))
    engine = DiffusionEngine(device="cpu", home=own_home)
    with pytest.raises(BadModel, match="ControlNet “scribble” cannot be loaded"):
        paint(engine, replace(REQUEST, controls=(SCRIBBLE,)), controls=[lines()])
    paint(engine, REQUEST)
