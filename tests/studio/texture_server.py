"""`python -m tests.studio.texture_server HOME`: a real server whose engine lays the views' colours onto the
textures without looking at the geometry."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from impasto_protocol import places
from impasto_protocol.geometry import unpack
from impasto_protocol.messages import Camera, GenerateRequest, LayerInfo, Recipe, TextureView
from impasto_protocol.rasters import PixelFormat
from impasto_server.config import Config
from impasto_server.engine.interface import Input, Layer, StepGate
from impasto_server.front.app import ServerInfo, serve
from impasto_server.pool.local import LocalPool

from tests.fakes.engine import FakeEngine

PAINTED = 40  # plus the seed and the view's number: the colour of what is painted
SIDE_PX = 32


class TexturingFake(FakeEngine):
    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        texture = request.texture
        if texture is None:
            return super().generate(request, pictures, gate)
        assert len(unpack(pictures["geometry"].pixels.tobytes())) >= len(texture.targets)
        eye = tuple(float(row == column) for row in range(4) for column in range(4))
        views = texture.views or (TextureView(Camera(eye, eye, SIDE_PX, SIDE_PX)),) * texture.around
        recipe = Recipe(replace(request, texture=replace(texture, views=views)), "Fake", "0" * 64)
        layers, shades = [], []
        for number, view in enumerate(() if texture.inspect else views, 1):
            given = pictures.get(f"view {number}")
            if given is None:
                self._sample(f"{number}", 16, 16, request, gate)
            shade = (
                int(given.pixels.flat[0]) if given is not None else (PAINTED + request.seed + number) % 256
            )
            shape = view.camera.height, view.camera.width, 3
            shades.append(shade)
            layers.append(_layer(f"view {number}", np.full(shape, shade, np.uint8), recipe))
            gate.deliver(layers[-1])
        for target in texture.targets:
            pixels = np.zeros((target.height, target.width, 4), np.uint8)
            pixels[..., : len(shades)] = shades[:4]
            layers.append(_layer(target.name, pixels, recipe))
            gate.deliver(layers[-1])
        return layers


def _layer(name: str, pixels: np.ndarray, recipe: Recipe) -> Layer:
    height, width, channels = pixels.shape
    kind = PixelFormat.RGBA8 if channels == 4 else PixelFormat.RGB8
    metrics = {"covered": 0.5} if channels == 4 else {}
    return Layer(LayerInfo(name, 0, 0, width, height, kind, recipe, metrics), pixels)


def main() -> None:
    home = Path(sys.argv[1])
    engine = "tests.studio.texture_server:TexturingFake"
    pool = LocalPool(("cpu",), places.blob_folder(home), home, engine=engine)

    def on_ready(info: ServerInfo) -> None:
        print("ready", info.port, flush=True)

    asyncio.run(serve(Config(home=home, port=0), pool, on_ready=on_ready))


if __name__ == "__main__":
    main()
