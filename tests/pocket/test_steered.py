"""What a control image and a style do to Pocket's pictures, through the engine, as artists get it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from impasto_protocol.messages import Control, GenerateRequest, InputRef, Lora
from impasto_protocol.rasters import PixelFormat
from impasto_server import pocket
from impasto_server.controls import control_map
from impasto_server.engine.interface import Input

from tools.pocket import judge
from tools.pocket.evaluation.gate import OpenGate

pytestmark = pytest.mark.model

SIDE = 256
STEPS = 10


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from impasto_server.engine.diffusion import DiffusionEngine

    return DiffusionEngine(device="cpu", home=tmp_path_factory.mktemp("home"))


def paint(engine: Any, request: GenerateRequest, *controls: np.ndarray) -> np.ndarray:
    pictures = {f"control {number}": as_input(each) for number, each in enumerate(controls, 1)}
    (layer,) = engine.generate(request, pictures, OpenGate())
    return np.asarray(layer.pixels)


def as_input(pixels: np.ndarray) -> Input:
    return Input(InputRef("0" * 64, pixels.shape[1], pixels.shape[0], PixelFormat.GRAY8), pixels)


def square(left: int, top: int, size: int) -> np.ndarray:
    """(SIDE, SIDE) bool."""
    inside = np.zeros((SIDE, SIDE), bool)
    inside[top : top + size, left : left + size] = True
    return inside


def outline(inside: np.ndarray) -> np.ndarray:
    """White lines on black, 2 px wide."""
    import cv2

    kernel = np.ones((3, 3), np.uint8)
    return cv2.morphologyEx(inside.astype(np.uint8) * 255, cv2.MORPH_GRADIENT, kernel)


def overlap(picture: np.ndarray, inside: np.ndarray, colour: str) -> float:
    """Intersection over union of what has the colour with `inside`."""
    has = judge.colour_map(picture) == list(judge.COLOURS).index(colour)
    return float((has & inside).sum() / (has | inside).sum())


@pytest.mark.parametrize(("left", "top", "size"), [(24, 120, 96), (140, 30, 84)])
def test_a_scribble_says_where_the_object_is(engine: Any, left: int, top: int, size: int) -> None:
    inside = square(left, top, size)
    request = GenerateRequest(
        "a red square on a blue background",
        seed=4,
        steps=STEPS,
        controls=(Control("scribble", InputRef("0" * 64, SIDE, SIDE, PixelFormat.GRAY8)),),
    )
    assert overlap(paint(engine, request, outline(inside)), inside, "red") > 0.7
    free = GenerateRequest("a red square on a blue background", seed=4, steps=STEPS)
    assert overlap(paint(engine, free), inside, "red") < 0.5


def test_a_scribble_made_from_a_picture_says_it_too(engine: Any) -> None:
    """Of a photograph's kind: a shape with shading and grain on uneven ground, in other colours."""
    inside = square(24, 120, 96)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    shade = np.where(inside, 90 + 50 * x, 190 - 40 * y)
    grain = np.random.default_rng(1).normal(0, 5, (SIDE, SIDE))
    photograph = np.clip((shade + grain)[:, :, None] * (1.0, 0.9, 0.8), 0, 255).astype(np.uint8)
    made = control_map("scribble", photograph)
    request = GenerateRequest(
        "a red square on a blue background",
        seed=4,
        steps=STEPS,
        controls=(Control("scribble", InputRef("0" * 64, SIDE, SIDE, PixelFormat.GRAY8)),),
    )
    assert overlap(paint(engine, request, made), inside, "red") > 0.7


def test_ink_on_paper_is_a_scribble_too(engine: Any) -> None:
    inside = square(24, 120, 96)
    request = GenerateRequest(
        "a red square on a blue background",
        seed=4,
        steps=STEPS,
        controls=(Control("scribble", InputRef("0" * 64, SIDE, SIDE, PixelFormat.GRAY8)),),
    )
    white_on_black = paint(engine, request, outline(inside))
    assert np.array_equal(paint(engine, request, 255 - outline(inside)), white_on_black)


def test_depth_says_where_the_object_is(engine: Any) -> None:
    inside = square(130, 110, 100)
    depth = np.where(inside, 220, 40).astype(np.uint8)
    request = GenerateRequest(
        "a green square on a white background",
        seed=5,
        steps=STEPS,
        controls=(Control("depth", InputRef("0" * 64, SIDE, SIDE, PixelFormat.GRAY8)),),
    )
    assert overlap(paint(engine, request, depth), inside, "green") > 0.7


def test_a_style_grows_with_its_weight_and_is_gone_at_none(engine: Any) -> None:
    from tools.pocket.lora import style_measure

    (name,) = [path.stem for path in (Path(pocket.__file__).parent / "loras").glob("*.safetensors")]
    request = GenerateRequest("a red star on a yellow background", seed=6, steps=STEPS)
    plain = paint(engine, request)

    def styled(strength: float) -> np.ndarray:
        return paint(engine, GenerateRequest(**{**vars(request), "loras": (Lora(name, strength),)}))

    assert np.array_equal(styled(0.0), plain)
    measures = [style_measure(picture) for picture in (plain, styled(0.5), styled(1.0))]
    assert measures == sorted(measures)
    assert measures[2] > 1.5 * measures[0]
