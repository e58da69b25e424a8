"""A turntable of Suzanne, textured by Pocket, as one PNG: `python -m tools.turntable OUT.png`.

One row for each prompt: the object from several sides, lit from the upper left. The picture in docs/images is
made so, and looked at.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from impasto_protocol.geometry import ROW_BYTES, Part, pack
from impasto_protocol.messages import GenerateRequest, InputRef, TextureRequest, TextureTarget
from impasto_protocol.rasters import PixelFormat
from impasto_server.texturing.atelier import Atelier, Target
from impasto_server.texturing.mesh import Mesh
from impasto_server.texturing.rays import Rays
from impasto_server.texturing.sight import render_buffers
from impasto_server.texturing.view import look_at

from tools.pocket.evaluation.gate import OpenGate

SUZANNE = Path(__file__).parent.parent / "tests" / "texturing" / "suzanne.npz"
PROMPTS = ("a red brick wall", "wood", "stone", "grass")
TEXELS = 1024
VIEWS = 8
TURNS = 6
TILE_PX = 160
FINER = 3  # pixels rendered for one of the picture, along each side
LIGHT = (-0.5, -0.7, 0.75)  # towards it, in the object's space turned with the camera
AMBIENT = 0.6
PAPER = 0.93

Bytes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


def suzanne(path: Path = SUZANNE) -> Mesh:
    """Blender's monkey, see tools/fixtures/suzanne.py."""
    with np.load(path) as stored:
        mesh = Mesh(
            (stored["positions"] / 10_000).astype(np.float32),
            stored["triangles"].astype(np.int32),
            (stored["uvs"] / 65_535).astype(np.float32),
        )
    return Mesh(mesh.positions, mesh.triangles, mesh.uvs, _smooth(mesh))


def _smooth(mesh: Mesh) -> FloatArray:
    """(T, 3, 3) normals of the corners: of each vertex, the mean of its faces'."""
    total = np.zeros_like(mesh.positions)
    for corner in range(3):
        np.add.at(total, mesh.triangles[:, corner], mesh.face_normals)
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    return total[mesh.triangles]


def sheet(mesh: Mesh, textures: Sequence[Bytes], turns: int = TURNS, tile_px: int = TILE_PX) -> Bytes:
    """(rows, columns, 3): a row of `turns` sides for each texture (h, w, 4)."""
    rows = [
        np.concatenate([side(mesh, texture, turn / turns, tile_px) for turn in range(turns)], 1)
        for texture in textures
    ]
    return np.concatenate(rows)


def side(mesh: Mesh, texture: Bytes, turn: float, tile_px: int) -> Bytes:
    """(tile_px, tile_px, 3): what is seen after so much of a whole `turn`, from a little above."""
    angle = 2.0 * np.pi * turn - np.pi / 2.0
    way = np.array([np.cos(angle), np.sin(angle), 0.35])
    low, high = mesh.positions.min(axis=0), mesh.positions.max(axis=0)
    centre = (low + high) / 2.0
    radius = float(np.linalg.norm(mesh.positions - centre, axis=1).max())
    view = look_at(centre + 2.7 * radius * way, centre, (tile_px * FINER,) * 2)
    shown = Atelier([Target(mesh, texture.shape[1], texture.shape[0], texture)])
    colours, _ = shown.shown(shown.add_view(view))
    buffers = render_buffers(Rays(mesh.positions, mesh.triangles), view)
    hit = buffers.triangles >= 0
    normals = mesh.normals_at(buffers.triangles[hit], buffers.weights[hit])
    camera = view.world_to_camera[:3, :3]
    light = np.array([LIGHT[0], LIGHT[2], -LIGHT[1]]) @ camera  # left and above of who looks
    bright = np.clip(normals @ (light / np.linalg.norm(light)).astype(np.float32), 0.0, 1.0)
    picture = np.full(colours.shape, PAPER, np.float32)
    picture[hit] = colours[hit] * (AMBIENT + (1.1 - AMBIENT) * bright)[:, None]
    small = cv2.resize(np.clip(picture, 0.0, 1.0), (tile_px, tile_px), interpolation=cv2.INTER_AREA)
    return np.rint(small * 255.0).astype(np.uint8)


def paint(mesh: Mesh, prompt: str, order: str, steps: int, seed: int, texels: int = TEXELS) -> Bytes:
    """The object's texture (h, w, 4), painted by Pocket on the CPU."""
    from impasto_server.engine.diffusion import DiffusionEngine
    from impasto_server.engine.interface import Input

    data = pack([Part(0, mesh.positions.tobytes(), mesh.triangles.tobytes(), mesh.uvs.tobytes())])
    rows = np.frombuffer(data, np.uint8).reshape(-1, ROW_BYTES)
    geometry = Input(InputRef("0" * 64, ROW_BYTES, len(rows), PixelFormat.GRAY8), rows)
    texture = TextureRequest(targets=(TextureTarget("Suzanne", texels, texels),), around=VIEWS, order=order)
    request = GenerateRequest(prompt, steps=steps, seed=seed, texture=texture)
    with tempfile.TemporaryDirectory() as home:
        engine = DiffusionEngine(device="cpu", home=Path(home))
        return np.asarray(engine.generate(request, {"geometry": geometry}, OpenGate())[-1].pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--order", default="together", choices=("together", "in turn"))
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prompts", nargs="+", default=PROMPTS, metavar="PROMPT")
    options = parser.parse_args()
    mesh = suzanne()
    textures = [paint(mesh, prompt, options.order, options.steps, options.seed) for prompt in options.prompts]
    cv2.imwrite(str(options.out), sheet(mesh, textures)[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
