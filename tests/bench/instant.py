"""A server whose engine gives the picture back at once: `python -m tests.bench.instant`.

What a round trip costs besides the model. Real front, real pool, real worker process; no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from impasto_protocol.messages import GenerateRequest, LayerInfo, LiveRequest, ModelInfo, Recipe
from impasto_server.bench.paced import serve_with
from impasto_server.engine.interface import Input, Layer, LiveFrame, LiveSitting, Raster, StepGate


@dataclass(frozen=True)
class InstantEngine:
    """Implements `interface.Engine`: the picture, inverted, since bytes that are known already cost less."""

    device: str
    home: Path
    _results: dict[int, np.ndarray] = field(
        default_factory=dict
    )  # kept: new memory costs more than inverting

    def models(self) -> list[ModelInfo]:
        return [ModelInfo("pocket", "Instant", "none", 512, 1, 1.0, ("text", "image", "mask", "live"))]

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        image = pictures["image"]
        ref = image.ref
        made = replace(
            request, width=ref.width, height=ref.height, steps=1, guidance=1.0, image=ref, mask=None
        )
        info = LayerInfo(
            "instant", 0, 0, ref.width, ref.height, ref.format, Recipe(made, "none", "0" * 64, {})
        )
        pixels = np.asarray(image.pixels)
        result = self._results.setdefault(pixels.size, np.empty_like(pixels))
        np.bitwise_xor(pixels.view(np.uint32), np.uint32(0x00FFFFFF), out=result.view(np.uint32))
        layer = Layer(info, result)
        gate.deliver(layer)
        return [layer]

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        return InstantSitting()


class InstantSitting:
    """Implements `interface.LiveSitting`: the picture, inverted."""

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: Callable[[int, int], bool],
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        return LiveFrame(np.ascontiguousarray(255 - image[:, :, :3]), {})


if __name__ == "__main__":
    serve_with("tests.bench.instant:InstantEngine")
