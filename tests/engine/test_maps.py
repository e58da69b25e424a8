"""Control maps through the engine: a layer like any other, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from impasto_protocol.errors import BadImage, BadValue
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_server.controls import control_map
from impasto_server.engine.diffusion import DiffusionEngine
from impasto_server.engine.interface import Cancelled

from tests.engine.conftest import as_input, picture
from tests.engine.gates import Canceller, Listener

REQUEST = GenerateRequest("", make_map="edges", model="no such model", takes=3, strength=0.2)


@pytest.fixture
def engine(tmp_path: Path) -> DiffusionEngine:
    """In an empty home."""
    return DiffusionEngine("cpu", tmp_path)


@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (4, "uint8"), (4, "uint16"), (1, "uint8")])
def test_the_only_layer_is_the_map(engine: DiffusionEngine, channels: int, dtype: str) -> None:
    pixels = picture(60, 80, channels, dtype)
    (layer,) = engine.generate(REQUEST, {"image": as_input(pixels)}, Listener())
    assert (layer.info.format, layer.info.width, layer.info.height) == (PixelFormat.GRAY8, 80, 60)
    assert np.array_equal(layer.pixels[:, :, 0], control_map("edges", pixels))
    assert layer.pixels.any()


def test_its_recipe_makes_it_again_and_names_nothing_that_did_not_count(engine: DiffusionEngine) -> None:
    image = as_input(picture(60, 80))
    (layer,) = engine.generate(REQUEST, {"image": image}, Listener())
    request = layer.info.recipe.request
    assert (request.make_map, request.image, request.model) == ("edges", image.ref, "")
    (again,) = engine.generate(request, {"image": image}, Listener())
    assert np.array_equal(again.pixels, layer.pixels)
    assert again.info == layer.info


def test_what_cannot_be_made_is_refused(engine: DiffusionEngine) -> None:
    with pytest.raises(BadValue, match="Send the picture"):
        engine.generate(REQUEST, {}, Listener())
    with pytest.raises(BadValue, match="There are: edges, scribble"):
        engine.generate(GenerateRequest("", make_map="depth"), {"image": as_input(picture(8, 8))}, Listener())
    with pytest.raises(BadImage, match="depth map"):
        engine.generate(REQUEST, {"image": as_input(np.ones((8, 8), np.float32))}, Listener())


def test_it_meets_the_gate(engine: DiffusionEngine) -> None:
    with pytest.raises(Cancelled):
        engine.generate(REQUEST, {"image": as_input(picture(8, 8))}, Canceller(at=1))
