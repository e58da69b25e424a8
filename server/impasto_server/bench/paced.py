"""A server whose engine takes its time and notes what it finished: `python -m impasto_server.bench.paced`.

Real front, real pool, real worker process; no torch.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from impasto_protocol import places
from impasto_protocol.messages import GenerateRequest, LayerInfo, LiveRequest, ModelInfo, Recipe
from impasto_protocol.rasters import PixelFormat

from impasto_server.config import Config
from impasto_server.engine.interface import Input, Layer, LiveFrame, LiveSitting, Raster, StepGate

__all__ = ["PAINTED", "EchoEngine", "PacedEngine", "PacedSitting", "serve_with"]

PAINTED = "painted.txt"  # in the home: one line for each time a job was painted to its end, its seed
STEPS, STEP_S, SIDE = 5, 0.03, 64


@dataclass(frozen=True)
class PacedEngine:
    """Implements `interface.Engine`: 5 steps of 30 ms, then a flat picture whose colour is the seed."""

    device: str
    home: Path

    def models(self) -> list[ModelInfo]:
        return [ModelInfo("paced", "Paced", "none", SIDE, STEPS, 1.0, ("text", "live"))]

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        for step in range(STEPS):
            gate.check()
            gate.report("sampling", step, STEPS)
            time.sleep(STEP_S)
        with (Path(self.home) / PAINTED).open("a") as file:
            file.write(f"{request.seed}\n")
            file.flush()
            os.fsync(file.fileno())
        pixels = np.full((SIDE, SIDE, 3), request.seed % 256, np.uint8)
        made = replace(request, width=SIDE, height=SIDE, steps=STEPS, guidance=1.0)
        recipe = Recipe(made, "none", "0" * 64, {})
        layer = Layer(LayerInfo("paced", 0, 0, SIDE, SIDE, PixelFormat.RGB8, recipe), pixels)
        gate.deliver(layer)
        return [layer]

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        return PacedSitting()


class EchoEngine(PacedEngine):
    """Paces itself in jobs only: live frames cost nothing, at sizes up to 1024 px."""

    def models(self) -> list[ModelInfo]:
        return [replace(model, native_px=1024) for model in super().models()]

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        return PacedSitting(step_s=0.0)


@dataclass(frozen=True)
class PacedSitting:
    """Implements `interface.LiveSitting`: steps as long as a job's, then the picture with its colours
    inverted."""

    step_s: float = STEP_S

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: Callable[[int, int], bool],
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        begin = time.perf_counter()
        for step in range(STEPS):
            if not keep_on(step, STEPS):
                return None
            time.sleep(self.step_s)
        inverted = np.bitwise_not(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB) if image.shape[2] == 4 else image)
        return LiveFrame(inverted, {"sampling": 1000.0 * (time.perf_counter() - begin)})


def serve_with(engine: str) -> None:
    """A server in `places.home()` whose one worker runs `engine`, MODULE:FACTORY; until it is ended."""
    from impasto_server.front.app import serve
    from impasto_server.pool.local import LocalPool

    home = places.home()
    log = places.log_folder(home) / "worker.log"
    pool = LocalPool(["cpu"], places.blob_folder(home), home, engine=engine, log=log)
    asyncio.run(serve(Config(home, port=0), pool))


if __name__ == "__main__":
    serve_with("impasto_server.bench.paced:PacedEngine")
