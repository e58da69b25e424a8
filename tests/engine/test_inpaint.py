"""Inpainting through the whole engine, on a model that paints noise: what holds whatever the model does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from impasto_protocol.errors import EmptyMask, SizeMismatch
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_server.compositing.composite import alpha_over
from impasto_server.compositing.inpaint import plan_inpaint
from impasto_server.compositing.raster import as_hwc
from impasto_server.engine.painting import Painting

from tests.engine.conftest import as_input, by_role, disc, picture
from tests.engine.gates import Listener

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=3, seed=7, fill="border")
DOCUMENTS = [(3, "uint8"), (4, "uint8"), (4, "uint16"), (1, "uint8"), (1, "uint16")]


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("channels", "dtype"), DOCUMENTS)
def test_the_layer_touches_nothing_outside_the_selection(
    engine: Any, channels: int, dtype: str, strength: float
) -> None:
    pixels, mask = picture(90, 130, channels, dtype), disc(90, 130, 60, 40, 25)
    layer = engine.generate(
        replace(REQUEST, strength=strength), {"image": as_input(pixels), "mask": as_input(mask)}, Listener()
    )[0]
    assert layer.info.format is (PixelFormat.RGBA8 if dtype == "uint8" else PixelFormat.RGBA16)
    full = np.zeros((90, 130, 4), pixels.dtype)
    x, y = layer.info.x, layer.info.y
    full[y : y + layer.info.height, x : x + layer.info.width] = layer.pixels
    assert not full[mask == 0][:, 3].any()
    after = alpha_over(as_hwc(pixels), full)
    assert np.array_equal(after[mask == 0], as_hwc(pixels)[mask == 0])
    assert np.array_equal(after, as_hwc(pixels)) == (strength == 0.0)
    assert layer.info.metrics["pixels_changed_outside"] == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_selection_of_any_canvas(engine: Any, data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 220)), data.draw(st.integers(1, 220))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    bottom, right = data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width))
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = data.draw(st.sampled_from([1, 128, 255]))
    pixels = picture(height, width)
    layer = engine.generate(
        replace(REQUEST, steps=1), {"image": as_input(pixels), "mask": as_input(mask)}, Listener()
    )[0]
    info = layer.info
    assert layer.pixels.shape == (info.height, info.width, 4)
    assert left <= info.x < info.x + info.width <= right
    assert top <= info.y < info.y + info.height <= bottom


def test_a_large_selection_gets_a_second_pass_and_a_recipe_that_repeats_it(engine: Any) -> None:
    image, mask = as_input(picture(256, 256), "a" * 64), as_input(disc(256, 256, 128, 128, 110), "b" * 64)
    gate = Listener()
    layer = engine.generate(REQUEST, by_role(image, mask), gate)[0]
    assert gate.stages.count("encoding") == 2
    recipe = layer.info.recipe.request
    assert (recipe.image, recipe.mask) == (image.ref, mask.ref)
    assert np.array_equal(engine.generate(recipe, by_role(image, mask), Listener())[0].pixels, layer.pixels)
    done = [report[1:] for report in gate.reports if report[0] == "sampling"][-1]
    assert done[0] == done[1]


@pytest.mark.parametrize("steps", [2, 6, 20])
def test_latents_that_are_not_released_stay_on_the_picture(
    engine: Any, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    encoded, painted = [], []
    encode, decode = Painting.encode, Painting.decode
    monkeypatch.setattr(Painting, "encode", lambda *a: encoded.append(encode(*a)) or encoded[-1])
    monkeypatch.setattr(Painting, "decode", lambda *a: painted.append(a[1]) or decode(*a))
    pixels, mask = picture(64, 128), disc(64, 128, 24, 32, 8)
    engine.generate(
        replace(REQUEST, steps=steps), {"image": as_input(pixels), "mask": as_input(mask)}, Listener()
    )
    kept = plan_inpaint(pixels, mask, native=64, fill="border").base.release(steps) == 0
    assert 0 < kept.sum() < kept.size
    same = (encoded[0] == painted[0]).all(1)[0].numpy()
    assert same[kept].all()
    assert not same[~kept].any()


def test_an_open_fill_follows_the_strength(engine: Any) -> None:
    image, mask = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 30, 14))

    def paint(**changes: Any) -> bytes:
        return engine.generate(replace(REQUEST, **changes), by_role(image, mask), Listener())[
            0
        ].pixels.tobytes()

    weak, strong = {"strength": 0.3}, {"strength": 1.0}
    assert paint(fill="", **weak) == paint(fill="none", **weak) != paint(fill="border", **weak)
    assert paint(fill="", **strong) == paint(fill="border", **strong) != paint(fill="neutral", **strong)


def test_takes_share_the_box_and_differ(engine: Any) -> None:
    image, mask = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 30, 14))
    two = engine.generate(replace(REQUEST, takes=2), by_role(image, mask), Listener())
    assert [layer.info.recipe.request.seed for layer in two] == [7, 8]
    assert two[0].pixels.tobytes() != two[1].pixels.tobytes()


def test_selections_that_cannot_be_painted(engine: Any) -> None:
    image = as_input(picture(64, 64))
    with pytest.raises(EmptyMask, match="selected"):
        engine.generate(REQUEST, {"image": image, "mask": as_input(np.zeros((64, 64), np.uint8))}, Listener())
    with pytest.raises(SizeMismatch, match="mask"):
        engine.generate(REQUEST, {"image": image, "mask": as_input(disc(32, 64, 20, 20, 9))}, Listener())


def test_a_selection_needs_no_prompt(engine: Any) -> None:
    image, mask = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 30, 14))
    layer = engine.generate(replace(REQUEST, prompt=""), by_role(image, mask), Listener())[0]
    assert layer.info.name == "Impasto"
