"""The pictures of a live input on their way to the worker: as they are where they are small, else reduced.

The engine scales to the size it works at. What is much larger than that would only make the way longer, so it
is averaged by a whole number first, down to between one and two times that size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from impasto_protocol.messages import LiveRequest, ModelInfo, Pixels
from impasto_protocol.rasters import PixelFormat, channels, raster_size

from impasto_server.front.canvases import Canvases, Snapshot

__all__ = ["Taken", "factor_for", "ready", "take"]

MOST_BYTES = 12 << 20  # of one input: it has to fit a channel frame
UNKNOWN_PX = 1024  # working size while no worker has said what its models are
_SAMPLES = {PixelFormat.GRAY16: "<u2", PixelFormat.RGBA16: "<u2", PixelFormat.DEPTH32F: "<f4"}


@dataclass(frozen=True, eq=False)
class Taken:
    """The canvases of a live session as they stood, by role, until `release`."""

    request: LiveRequest
    input: int
    at_s: float
    snapshots: Mapping[str, Snapshot]

    @property
    def pictures(self) -> dict[str, Pixels]:
        return {role: snapshot.pixels for role, snapshot in self.snapshots.items()}

    @property
    def sequence(self) -> int:
        """Of the picture's canvas."""
        return self.snapshots["image"].sequence

    def release(self) -> None:
        for snapshot in self.snapshots.values():
            snapshot.release()


def take(canvases: Canvases, request: LiveRequest, number: int, at_s: float) -> Taken:
    """Raises `UnknownCanvas`, `StaleCanvas`."""
    named = {"image": request.canvas}
    if request.mask:
        named["mask"] = request.mask
    named.update((f"control {n}", control.canvas) for n, control in enumerate(request.controls, 1))
    snapshots: dict[str, Snapshot] = {}
    try:
        for role, canvas in named.items():
            snapshots[role] = canvases.current(canvas)
    except BaseException:
        Taken(request, number, at_s, snapshots).release()
        raise
    return Taken(request, number, at_s, snapshots)


def factor_for(taken: Taken, models: tuple[ModelInfo, ...]) -> int:
    """By which whole number the pictures are to be reduced; 1: not at all."""
    request, image = taken.request, taken.snapshots["image"].pixels
    native_px = next((one.native_px for one in models if one.model == request.model), UNKNOWN_PX)
    longest, shortest = max(image.width, image.height), min(image.width, image.height)
    factor = max(1, longest // (request.longest_px or native_px))
    size = sum(raster_size(one.width, one.height, one.format) for one in taken.pictures.values())
    while size > MOST_BYTES * factor**2:
        factor += 1
    return min(factor, shortest)


def ready(pixels: Pixels, factor: int) -> Pixels:
    """A picture of its own, each side `factor` times as short. Large ones: not for the event loop."""
    data = pixels.data
    assert data is not None
    if factor == 1:
        return replace(pixels, data=bytes(data))
    # Here: a server without live pictures as large does without OpenCV (30 MiB, 50 ms).
    from impasto_server.front.averaging import reduced

    shape = (pixels.height, pixels.width, channels(pixels.format))
    raster = np.frombuffer(data, _SAMPLES.get(pixels.format, "u1")).reshape(shape)
    size = (pixels.width // factor, pixels.height // factor)
    return Pixels(*size, pixels.format, reduced(raster, size).tobytes())
