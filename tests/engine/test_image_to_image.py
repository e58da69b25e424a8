"""Image to image: strength, sizes, and what stays of the document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from impasto_protocol.errors import BadImage, BadValue, SizeMismatch
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat

from tests.engine.conftest import as_input, disc, picture
from tests.engine.gates import Listener

REQUEST = GenerateRequest(prompt="", model="tiny", steps=4, seed=7, strength=0.6)
DOCUMENTS = [(3, "uint8"), (4, "uint8"), (4, "uint16"), (1, "uint8"), (1, "uint16")]


@pytest.mark.parametrize(("channels", "dtype"), DOCUMENTS)
@pytest.mark.parametrize("size", [(64, 64), (53, 91), (300, 40), (5, 9)])
def test_strength_0_returns_every_bit(engine: Any, channels: int, dtype: str, size: tuple[int, int]) -> None:
    pixels = picture(*size, channels, dtype)
    gate = Listener()
    layer = engine.generate(replace(REQUEST, strength=0.0), {"image": as_input(pixels)}, gate)[0]
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    assert layer.pixels.dtype == pixels.dtype
    assert np.array_equal(layer.pixels[:, :, :3], colour[:, :, :3])
    assert "sampling" not in gate.stages


@pytest.mark.parametrize(("channels", "dtype"), DOCUMENTS)
def test_the_layer_has_the_documents_size_depth_and_alpha(engine: Any, channels: int, dtype: str) -> None:
    pixels = picture(53, 91, channels, dtype)
    layer = engine.generate(REQUEST, {"image": as_input(pixels)}, Listener())[0]
    assert layer.pixels.shape[:2] == (53, 91)
    expected = {1: PixelFormat.RGB8, 3: PixelFormat.RGB8, 4: PixelFormat.RGBA8}[channels]
    assert layer.info.format is (PixelFormat.RGBA16 if dtype == "uint16" else expected)
    if channels == 4:
        assert np.array_equal(layer.pixels[:, :, 3], pixels[:, :, 3])
    elif dtype == "uint16":
        assert (layer.pixels[:, :, 3] == 65535).all()
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    assert not np.array_equal(layer.pixels[:, :, :3], colour[:, :, :3])


@pytest.mark.parametrize("size", [(64, 64), (61, 70), (200, 170), (17, 400)])
def test_any_size_comes_back_at_its_size(engine: Any, size: tuple[int, int]) -> None:
    for strength in (0.3, 0.9):
        request = replace(REQUEST, strength=strength, steps=2)
        layer = engine.generate(request, {"image": as_input(picture(*size))}, Listener())[0]
        assert layer.pixels.shape == (*size, 3)


def test_a_recipe_paints_the_same_bytes(engine: Any) -> None:
    image = as_input(picture(70, 90))
    layer = engine.generate(replace(REQUEST, guidance=-1.0, steps=0), {"image": image}, Listener())[0]
    request = layer.info.recipe.request
    assert (request.width, request.height, request.image) == (90, 70, image.ref)
    assert np.array_equal(engine.generate(request, {"image": image}, Listener())[0].pixels, layer.pixels)


def test_weak_changes_of_a_large_picture_keep_its_detail(engine: Any) -> None:
    """One-pixel lines are lost at the working size, and must come back."""
    pixels = picture(400, 400)
    pixels[::2] = pixels[::2] // 2
    detail = {}
    for strength in (0.05, 1.0):
        layer = engine.generate(replace(REQUEST, strength=strength), {"image": as_input(pixels)}, Listener())[
            0
        ]
        lines = layer.pixels.astype(float)
        detail[strength] = np.abs(lines[1:] - lines[:-1]).mean()
    original = np.abs(np.diff(pixels.astype(float), axis=0)).mean()
    assert detail[0.05] > 0.7 * original
    assert detail[1.0] < 0.3 * original


def test_takes_differ_and_are_the_seeds_that_follow(engine: Any) -> None:
    image = as_input(picture(64, 64))
    two = engine.generate(replace(REQUEST, takes=2), {"image": image}, Listener())
    single = engine.generate(replace(REQUEST, seed=8), {"image": image}, Listener())[0]
    assert np.array_equal(two[1].pixels, single.pixels)
    assert not np.array_equal(two[0].pixels, two[1].pixels)


def test_what_does_not_fit_is_refused(engine: Any) -> None:
    image = as_input(picture(64, 64))
    with pytest.raises(SizeMismatch, match="64×64"):
        engine.generate(replace(REQUEST, width=32, height=32), {"image": image}, Listener())
    with pytest.raises(BadValue, match="picture"):
        engine.generate(REQUEST, {"mask": as_input(disc(64, 64, 30, 30, 9))}, Listener())
    with pytest.raises(BadImage, match="depth"):
        engine.generate(REQUEST, {"image": as_input(np.ones((64, 64), np.float32))}, Listener())
