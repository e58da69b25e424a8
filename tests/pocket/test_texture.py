"""Textures painted by Pocket show what the prompt says, where they may and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from impasto_protocol.geometry import ROW_BYTES, Part, pack
from impasto_protocol.messages import (
    Camera,
    GenerateRequest,
    InputRef,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Input
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.view import look_at

from tests.texturing import shapes
from tools.pocket import judge
from tools.pocket.evaluation.gate import OpenGate
from tools.pocket.words import COLOURS

pytestmark = pytest.mark.model

STEPS = 8
VIEWS = 8
SIDE = 256
OBJECTS: dict[str, tuple[Callable[[], Mesh], tuple[str, ...]]] = {
    "cube": (shapes.cube, ("red", "a green surface", "wood", "stone")),
    "Suzanne": (shapes.suzanne, ("red", "grass")),
    "torus": (shapes.torus, ("blue",)),
}
# What Pocket draws for these words, in names of colours: those of a material are several.
PROMPTS = {
    "red": ("red",),
    "a green surface": ("green",),
    "blue": ("blue",),
    "wood": ("brown", "orange"),
    "grass": ("green",),
    "stone": ("gray", "white"),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from impasto_server.engine.diffusion import DiffusionEngine

    return DiffusionEngine(device="cpu", home=tmp_path_factory.mktemp("home"))


def given(pixels: np.ndarray, format: PixelFormat) -> Input:
    return Input(InputRef("0" * 64, pixels.shape[1], pixels.shape[0], format), pixels)


def geometry(*meshes: Mesh) -> Input:
    parts = [
        Part(number, mesh.positions.tobytes(), mesh.triangles.tobytes(), mesh.uvs.tobytes())
        for number, mesh in enumerate(meshes)
    ]
    return given(np.frombuffer(pack(parts), np.uint8).reshape(-1, ROW_BYTES), PixelFormat.GRAY8)


def request(prompt: str, order: str, targets: int = 1, **more: Any) -> GenerateRequest:
    names = tuple(TextureTarget(f"texture {number}", SIDE, SIDE) for number in range(targets))
    texture = TextureRequest(targets=names, around=VIEWS, order=order, **more)
    return GenerateRequest(prompt, steps=STEPS, seed=11, texture=texture)


def shares(texture: np.ndarray) -> dict[str, float]:
    """Of the texels that views have painted, how many are nearest to each of the twelve colours."""
    near = judge.colour_map(texture[:, :, :3])[texture[:, :, 3] == 255]
    counts = np.bincount(near, minlength=len(COLOURS)) / max(len(near), 1)
    return dict(zip(COLOURS, counts.tolist(), strict=True))


@pytest.mark.parametrize("order", ["in turn", "together"])
@pytest.mark.parametrize("name", OBJECTS)
def test_nine_texels_in_ten_have_the_prompt_s_colour(engine: Any, name: str, order: str) -> None:
    made, prompts = OBJECTS[name]
    for prompt in prompts:
        pictures = {"geometry": geometry(made())}
        layer = engine.generate(request(prompt, order), pictures, OpenGate())[-1]
        found = shares(layer.pixels)
        assert layer.info.metrics["covered"] > 0.9
        assert sum(found[colour] for colour in PROMPTS[prompt]) >= 0.9, (prompt, found)


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_bricks_are_red_and_have_joints(engine: Any, order: str) -> None:
    pictures = {"geometry": geometry(shapes.cube())}
    texture = engine.generate(request("a red brick wall", order), pictures, OpenGate())[-1].pixels
    painted = texture[texture[:, :, 3] == 255][:, :3]
    values = judge.lab(painted)
    middle = np.median(values, axis=0)
    assert 15 < np.degrees(np.arctan2(middle[2], middle[1])) < 60, "between red and orange"
    assert np.hypot(*middle[1:]) > 30
    lighter = values[:, 0] > middle[0] + 10
    assert 0.05 < lighter.mean() < 0.4


@pytest.mark.parametrize("order", ["in turn", "together"])
def test_a_texture_that_is_there_stays_as_much_as_the_strength_says(engine: Any, order: str) -> None:
    base = given(np.full((SIDE, SIDE, 4), (30, 60, 210, 255), np.uint8), PixelFormat.RGBA8)
    pictures = {"geometry": geometry(shapes.cube()), "base 1": base}
    blue, red = [], []
    for strength in (0.2, 1.0):
        layer = engine.generate(replace(request("red", order), strength=strength), pictures, OpenGate())[-1]
        found = shares(layer.pixels)
        blue.append(found["blue"])
        red.append(found["red"])
    assert blue[0] > 0.9
    assert red[1] > 0.9


def camera(x: float) -> Camera:
    view = look_at((x, -5.0, 1.5), (x, 0.0, 0.0), (256, 256))
    world, projection = (
        tuple(float(one) for one in matrix.ravel()) for matrix in (view.world_to_camera, view.projection)
    )
    return Camera(world, projection, 256, 256)


def test_a_neighbour_gets_nothing(engine: Any) -> None:
    """Two objects in one picture, each with its texture; the mask shows the left one, which turns red. The
    right one's texture comes back byte for byte, and no red has bled on it."""
    left, right = (shapes.moved(shapes.cube(0.6), (x, 0.0, 0.0)) for x in (-0.75, 0.75))
    bases = [
        np.full((SIDE, SIDE, 4), (*colour, 255), np.uint8) for colour in ((90, 120, 200), (200, 200, 60))
    ]
    mask = np.zeros((256, 256), np.uint8)
    mask[:, :128] = 255
    pictures = {
        "geometry": geometry(left, right),
        "view mask 1": given(mask, PixelFormat.GRAY8),
        **{f"base {n}": given(base, PixelFormat.RGBA8) for n, base in enumerate(bases, 1)},
    }
    job = request("red", "in turn", targets=2, views=(TextureView(camera(0.0)),))
    mine, neighbours = engine.generate(job, pictures, OpenGate())[1:]
    assert np.array_equal(neighbours.pixels, bases[1])
    changed = (mine.pixels != bases[0]).any(axis=2)
    assert changed.mean() > 0.1
    inner = cv2.erode(changed.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0  # less the soft border
    near = judge.colour_map(mine.pixels[:, :, :3])[inner]
    assert (near == list(COLOURS).index("red")).mean() >= 0.9


def test_what_stands_in_front_keeps_its_colour(engine: Any) -> None:
    """A small cube before a large one, of which only the large one is a target: it turns green, and where the
    small one hides it from every view it is filled from around."""
    large, small = shapes.cube(1.0), shapes.moved(shapes.cube(0.3), (0.0, -1.6, 0.0))
    hiding = Part(-1, small.positions.tobytes(), small.triangles.tobytes())
    shown = Part(0, large.positions.tobytes(), large.triangles.tobytes(), large.uvs.tobytes())
    packed = np.frombuffer(pack([shown, hiding]), np.uint8).reshape(-1, ROW_BYTES)
    job = request("a green surface", "in turn", views=(TextureView(camera(0.0)),))
    pictures = {"geometry": given(packed, PixelFormat.GRAY8)}
    texture = engine.generate(job, pictures, OpenGate())[-1]
    assert shares(texture.pixels)["green"] >= 0.9
    alone = engine.generate(job, {"geometry": geometry(large)}, OpenGate())[-1]
    assert texture.info.metrics["covered"] < alone.info.metrics["covered"] - 0.01


def test_one_view_painted_again_changes_its_side_only(engine: Any) -> None:
    """The artist keeps seven views and asks for another eighth."""
    pictures = {"geometry": geometry(shapes.cube())}
    first = engine.generate(request("red", "in turn"), pictures, OpenGate())
    recipe = first[-1].info.recipe.request
    assert recipe.texture is not None
    views = recipe.texture.views
    kept = {
        f"view {n}": given(layer.pixels, PixelFormat.RGB8)
        for n, layer in enumerate(first[:VIEWS], 1)
        if n != 3
    }
    views = tuple(
        replace(view, image=kept[f"view {n}"].ref if f"view {n}" in kept else None)
        for n, view in enumerate(views, 1)
    )
    job = replace(recipe, prompt="red", texture=replace(recipe.texture, views=views))
    again = engine.generate(job, {**pictures, **kept}, OpenGate())
    assert all(
        np.array_equal(one.pixels, other.pixels) for one, other in zip(again[:2], first[:2], strict=True)
    )
    assert shares(again[-1].pixels)["red"] >= 0.9
