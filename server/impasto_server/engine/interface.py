"""What a worker asks of an engine, and what an engine may ask of the worker in return.

No torch here: the fake engine of the tests implements the same two protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from impasto_protocol.messages import GenerateRequest, LayerInfo, LiveRequest, ModelInfo, Pixels

from impasto_server.blobs import BlobRef

Raster = npt.NDArray[np.generic]


class Cancelled(BaseException):
    """Raised out of the step gate of a cancelled job.

    A BaseException, so that no `except Exception` of a library between the gate and the worker swallows it.
    """


class StepGate(Protocol):
    """The one place where a running job meets the rest of the world. Engines call it; workers implement
    it.
    """

    def check(self) -> None:
        """Called before each denoiser call and between VAE tiles. Returns after more urgent jobs have run on
        this device; raises `Cancelled` if the job is to stop. Costs microseconds when nothing is pending."""
        ...

    def report(self, stage: str, step: int = 0, steps: int = 0, preview: Pixels | None = None) -> None:
        """Tells the client how far the job is. Never blocks, never raises."""
        ...

    def wants_preview(self) -> bool:
        """True when a preview would be shown now; false while the last one is too fresh to be worth a
        decode.
        """
        ...

    def deliver(self, layer: Layer) -> None:
        """Hands over a finished layer. What was handed over stays, even if the job is cancelled or fails
        afterwards. Raises `DiskFull`."""
        ...


@dataclass(frozen=True, eq=False)
class Input:
    """An image, mask or control image: pixels as (H, W, C) or (H, W), uint8/uint16/float32, sRGB; read-only,
    mapped from disk. A geometry comes as (H, ROW_BYTES) too, its bytes as `geometry.pack` made them.
    """

    ref: BlobRef
    pixels: Raster


@dataclass(frozen=True, eq=False)
class Layer:
    """A result layer: `pixels` as (height, width, 4) or (height, width, 3), straight alpha, sRGB; of a
    control map (height, width, 1).
    """

    info: LayerInfo
    pixels: Raster


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A painted live frame.

    pixels: (h, w, 3) uint8 sRGB, C-contiguous; the engine's own memory, which the session's next frame
    overwrites. stages: milliseconds by name, in order.
    """

    pixels: Raster
    stages: Mapping[str, float]


class LiveSitting(Protocol):
    """A live session at the engine: everything its frames have in common is ready."""

    def paint(
        self,
        image: Raster,
        mask: Raster | None,
        controls: Sequence[Raster],
        keep_on: Callable[[int, int], bool],
        *,
        refined: bool = False,
    ) -> LiveFrame | None:
        """One frame. `image` is (H, W, 3 or 4) uint8, `mask` (H, W) uint8, each control as `Input.pixels`.

        `keep_on(done, steps)` is asked before each step and before the picture is decoded; when it says no,
        the frame is given up and the answer is None. `refined`: in `refine_steps` steps.

        May be called inside the gate of a job that waits. Raises leaves of `impasto_protocol.errors`.
        """
        ...


class Engine(Protocol):
    @property
    def device(self) -> str: ...

    def models(self) -> list[ModelInfo]: ...

    def generate(
        self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
    ) -> Sequence[Layer]:
        """Paints `request.takes` layers, makes the one control map of `request.make_map`, or paints the
        textures of `request.texture`. `pictures` are the pixels the request refers to, by role as in
        `GenerateRequest.pictures`. May be entered again from inside `gate.check()` by a more urgent job.

        Each layer is delivered to the gate as soon as it is finished, in their order; all of them are
        returned at the end.

        Raises leaves of `impasto_protocol.errors` with a sentence for the artist, and `Cancelled`.
        """
        ...

    def sit(self, request: LiveRequest, loading: Callable[[], None]) -> LiveSitting:
        """Makes ready for the frames of a live session, and again whenever its request changes: then only
        what the change touches is made anew, at most one pass of the text encoder.

        `loading` is called when a model or an adapter has to be read first. Raises as `generate` does.
        """
        ...
