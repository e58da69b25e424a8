"""What a request may say of textures, and the sentence for what it may not."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_protocol.errors import (
    BadImage,
    BadValue,
    EmptyPrompt,
    ImpastoError,
    RequestError,
    SizeMismatch,
    UnknownModel,
)
from impasto_protocol.geometry import ROW_BYTES
from impasto_protocol.messages import (
    Camera,
    CanvasRef,
    GenerateRequest,
    ModelInfo,
    Pixels,
    Submit,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.requests import check_inputs, check_model, check_submit

from tests.protocol import messages

JOB = "0" * 32
CANVAS = CanvasRef("c", 1)
LIMITS = dataclasses.replace(DEFAULT_LIMITS, views=3, textures=2)
HERE = (1.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 1.0, -4.0, 0.0, 0.0, 0.0, 1.0)
LENS = (2.5, 0.0, 0.1, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, -1.0, -0.2, 0.0, 0.0, -1.0, 0.0)
PARALLEL = (0.5, 0.0, 0.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, -0.02, -1.0, 0.0, 0.0, 0.0, 1.0)
CAMERA = Camera(HERE, LENS, 64, 48)
VIEW = TextureView(CAMERA)
TARGET = TextureTarget("cube", 64, 32)
TEXTURE = TextureRequest(CANVAS, (TARGET,), (VIEW,), around=2)
ABLE = ModelInfo("pocket", "Pocket", "sd15", 256, 20, 3.0, ("text", "mask", "texture"), ("depth",))
UNABLE = replace(ABLE, model="plain", title="Plain", capabilities=("text",))


def check(prompt: str = "stone", takes: int = 1, **changes: Any) -> None:
    request = GenerateRequest(prompt, takes=takes, texture=replace(TEXTURE, **changes))
    check_submit(Submit(JOB, request), LIMITS)


def seen_by(**changes: Any) -> tuple[TextureView, ...]:
    return (replace(VIEW, camera=replace(CAMERA, **changes)),)


def changed(matrix: tuple[float, ...], at: int, value: float) -> tuple[float, ...]:
    return (*matrix[:at], value, *matrix[at + 1 :])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"views": (), "around": 3, "view_px": 1024},
        {"views": seen_by(projection=PARALLEL)},
        {
            "views": seen_by(
                world_to_camera=(0.6, 0.0, 0.8, 1e5, 0.0, 1.0, 0.0, 0.0, -0.8, 0.0, 0.6, 0, 0, 0, 0, 1)
            )
        },
        {"order": "in turn", "depth": 0.0},
        {"inspect": "views", "views": ()},
        {"targets": (replace(TARGET, width=8192, height=4096), replace(TARGET, width=8192, height=4096))},
    ],
)
def test_what_plugins_ask_for_is_accepted(changes: dict[str, Any]) -> None:
    check(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"takes": 2}, "one take"),
        ({"geometry": None}, "geometry"),
        ({"targets": ()}, "from 1 to 2 textures, not 0"),
        ({"targets": (TARGET,) * 3}, "from 1 to 2 textures, not 3"),
        ({"targets": (replace(TARGET, name=""),)}, "needs a name"),
        ({"targets": (replace(TARGET, width=15),)}, "from 16 to 8192 texels, not 15"),
        ({"targets": (replace(TARGET, height=8193),)}, "from 16 to 8192 texels, not 8193"),
        ({"targets": (replace(TARGET, width=8192, height=8192), TARGET)}, "64 million texels"),
        ({"order": "at random"}, "together, in turn"),
        ({"inspect": "beauty"}, "coverage, views"),
        ({"depth": 2.1}, "from 0 to 2, not 2.1"),
        ({"depth": math.nan}, "from 0 to 2"),
        ({"views": (VIEW,) * 4}, "3 views at most, not 4"),
        ({"views": (), "around": 0}, "From 1 to 3 views"),
        ({"views": (), "around": 4}, "From 1 to 3 views"),
        ({"view_px": 8}, "from 16 to 4096 pixels wide, not 8"),
        ({"view_px": 4097}, "from 16 to 4096"),
        ({"views": seen_by(width=0)}, "view 1 must be from 16 to 4096 pixels, not 0"),
        ({"views": seen_by(height=-5)}, "from 16 to 4096"),
        ({"views": seen_by(world_to_camera=())}, "16 numbers"),
        ({"views": seen_by(world_to_camera=HERE[:15])}, "16 numbers"),
        ({"views": seen_by(projection=(*LENS, 0.0))}, "16 numbers"),
        ({"views": seen_by(world_to_camera=changed(HERE, 3, math.inf))}, "16 numbers"),
        ({"views": seen_by(projection=changed(LENS, 0, math.nan))}, "16 numbers"),
        ({"views": seen_by(world_to_camera=changed(HERE, 0, 1.1))}, "scaled or mirrored"),
        ({"views": seen_by(world_to_camera=changed(HERE, 0, -1.0))}, "scaled or mirrored"),
        ({"views": seen_by(world_to_camera=(0.0,) * 16)}, "scaled or mirrored"),
        ({"views": seen_by(world_to_camera=changed(HERE, 12, 0.5))}, "scaled or mirrored"),
        ({"views": seen_by(world_to_camera=changed(HERE, 0, 1e300))}, "scaled or mirrored"),
        ({"views": seen_by(projection=(0.0,) * 16)}, "sees nothing"),
        ({"views": seen_by(projection=changed(LENS, 0, 0.0))}, "sees nothing"),
        ({"views": seen_by(projection=changed(LENS, 14, 1.0))}, "sees nothing"),
        ({"views": seen_by(projection=changed(LENS, 12, 1.0))}, "sees nothing"),
        ({"views": seen_by(projection=changed(LENS, 0, 1e308))}, "sees nothing"),
        ({"views": seen_by(projection=changed(PARALLEL, 10, 0.0))}, "sees nothing"),
    ],
)
def test_what_cannot_be_done_gets_a_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue, match=words) as refused:
        check(**changes)
    assert refused.value.sentence.endswith(".")


def test_all_views_together_have_a_limit_too() -> None:
    large = replace(VIEW, camera=replace(CAMERA, width=4096, height=4096))
    limits = replace(LIMITS, views=64)
    for texture in (
        replace(TEXTURE, views=(large,) * 9),
        replace(TEXTURE, views=(), around=9, view_px=4096),
    ):
        with pytest.raises(BadValue, match="128 million pixels"):
            check_submit(Submit(JOB, GenerateRequest("x", texture=texture)), limits)
    check_submit(Submit(JOB, GenerateRequest("x", texture=replace(TEXTURE, views=(large,) * 8))), limits)


def test_words_are_needed_where_something_is_painted() -> None:
    given = replace(VIEW, image=CANVAS)
    for views in ((), (VIEW,), (given, VIEW), (replace(VIEW, prompt="behind"), VIEW)):
        with pytest.raises(EmptyPrompt):
            check(prompt=" ", views=views)
    for views in ((given,), (given, given), (given, replace(VIEW, prompt="from behind"))):
        check(prompt="", views=views)
    check(prompt="", inspect="coverage")


def test_a_model_is_needed_only_where_something_is_painted() -> None:
    models = (ABLE, UNABLE)
    painting = GenerateRequest("x", model="plain", texture=TEXTURE)
    with pytest.raises(UnknownModel, match=r"“Plain” cannot paint textures\. Choose one that can: Pocket"):
        check_model(painting, models)
    check_model(replace(painting, model="pocket"), models)
    with pytest.raises(UnknownModel, match="no model 'none'"):
        check_model(replace(painting, model="none"), models)
    given = (replace(VIEW, image=CANVAS),)
    for texture in (replace(TEXTURE, inspect="views"), replace(TEXTURE, views=given)):
        check_model(replace(painting, model="none", texture=texture), models)


def pixels(width: int, height: int, format: PixelFormat) -> Pixels:
    return Pixels(width, height, format, bytes(raster_size(width, height, format)))


GOOD = {
    "geometry": pixels(ROW_BYTES, 2, PixelFormat.GRAY8),
    "base 1": pixels(64, 32, PixelFormat.RGBA8),
    "view 1": pixels(64, 48, PixelFormat.RGB8),
    "view mask 1": pixels(64, 48, PixelFormat.GRAY8),
}


@pytest.mark.parametrize(
    ("role", "picture", "error", "words"),
    [
        (
            "geometry",
            pixels(ROW_BYTES, 2, PixelFormat.GRAY16),
            BadImage,
            "geometry has the pixel format gray16",
        ),
        ("geometry", pixels(4096, 2, PixelFormat.GRAY8), BadImage, "4096 bytes wide; it must be 8192"),
        ("geometry", Pixels(ROW_BYTES, 2, PixelFormat.GRAY8, b"short"), BadImage, "bytes do not make"),
        ("base 1", pixels(64, 32, PixelFormat.RGB8), BadImage, "texture “cube” has the pixel format rgb8"),
        ("base 1", pixels(32, 64, PixelFormat.RGBA8), SizeMismatch, "32×64"),
        ("view 1", pixels(64, 48, PixelFormat.RGBA16), BadImage, "picture of view 1"),
        ("view 1", pixels(64, 47, PixelFormat.RGBA8), SizeMismatch, "the camera's 64×48"),
        ("view mask 1", pixels(64, 48, PixelFormat.RGB8), BadImage, "mask of view 1"),
        ("view mask 1", pixels(48, 64, PixelFormat.GRAY8), SizeMismatch, "48×64"),
    ],
)
def test_pictures_have_their_formats_and_sizes(
    role: str, picture: Pixels, error: type[ImpastoError], words: str
) -> None:
    request = GenerateRequest("x", texture=TEXTURE)
    check_inputs(request, GOOD, LIMITS)
    with pytest.raises(error, match=words):
        check_inputs(request, {**GOOD, role: picture}, LIMITS)


@given(messages.of(TextureRequest), st.booleans())
@settings(max_examples=300)
def test_whatever_is_asked_is_accepted_or_refused_with_a_sentence(
    texture: TextureRequest, mostly: bool
) -> None:
    """`mostly`: all is well but the cameras."""
    if mostly:
        texture = replace(TEXTURE, views=texture.views)
    sentence = "Accepted."
    try:
        check_submit(Submit(JOB, GenerateRequest("x", texture=texture)), LIMITS)
    except RequestError as refused:
        sentence = refused.sentence
    assert sentence.endswith(".")


MATRIX = st.lists(st.floats(-1e3, 1e3), min_size=16, max_size=16).map(tuple)


@given(MATRIX, MATRIX)
@settings(max_examples=200)
def test_cameras_that_are_accepted_can_be_seen_through(world: Any, projection: Any) -> None:
    np = pytest.importorskip("numpy")
    try:
        check(views=seen_by(world_to_camera=world))
    except BadValue:
        pass
    else:
        assert np.linalg.det(np.reshape(world, (4, 4))) == pytest.approx(1.0, abs=0.01)
    try:
        check(views=seen_by(projection=projection))
    except BadValue:
        return
    assert np.isfinite(np.linalg.inv(np.reshape(projection, (4, 4)))).all()
