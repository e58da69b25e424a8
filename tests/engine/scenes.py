"""Objects and cameras as a client sends them."""

from __future__ import annotations

import numpy as np
from impasto_protocol.geometry import ROW_BYTES, Part, pack
from impasto_protocol.messages import Camera, GenerateRequest, TextureRequest, TextureTarget, TextureView
from impasto_server.engine.interface import Input, Raster
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.view import View, look_at

from tests.engine.conftest import as_input

AHEAD = ((0.0, -4.0, 0.0), (0.0, 0.0, 0.0))
OBLIQUE = ((2.6, -3.4, 2.2), (0.0, 0.0, 0.0))


def part_of(mesh: Mesh, texture: int = 0) -> Part:
    return Part(
        texture,
        mesh.positions.astype("<f4").tobytes(),
        mesh.triangles.astype("<i4").tobytes(),
        mesh.uvs.astype("<f4").tobytes() if texture >= 0 else b"",
        None if mesh.normals is None else mesh.normals.astype("<f4").tobytes(),
    )


def geometry(*parts: Part) -> Input:
    data = np.frombuffer(pack(parts), np.uint8).reshape(-1, ROW_BYTES)
    return as_input(data)


def camera(
    place: tuple[tuple[float, ...], tuple[float, ...]] = AHEAD, width: int = 64, height: int = 64
) -> Camera:
    view: View = look_at(*place, (width, height))
    world, projection = (
        tuple(float(one) for one in matrix.ravel()) for matrix in (view.world_to_camera, view.projection)
    )
    return Camera(world, projection, width, height)


def target(name: str = "cube", side: int = 64) -> TextureTarget:
    return TextureTarget(name, side, side)


def request(
    *views: TextureView, targets: int = 1, prompt: str = "a red circle", **more: object
) -> GenerateRequest:
    """A job for the tiny models; `more`: fields of `TextureRequest`."""
    names = tuple(target(f"target {number}") for number in range(1, targets + 1))
    texture = TextureRequest(targets=names, views=views, **more)  # type: ignore[arg-type]
    return GenerateRequest(prompt, model="tiny", steps=4, seed=7, texture=texture)


def flat(width: int, height: int, colour: tuple[int, ...]) -> Raster:
    return np.full((height, width, len(colour)), colour, np.uint8)
