"""Time by stages, on the clock of the device that does the work."""

from __future__ import annotations

import time
from typing import Any

import torch


class Stopwatch:
    """CUDA works behind the back of the CPU's clock: there, events in its stream are timed."""

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
        self._laps: list[tuple[str, Any]] = [("", self._now())]

    def lap(self, stage: str) -> None:
        """What was begun since the last lap was this stage."""
        self._laps.append((stage, self._now()))

    def stages(self) -> dict[str, float]:
        """Milliseconds by stage, in order; waits until the device has come to the last lap."""
        if self._on_cuda:
            self._laps[-1][1].synchronize()
        pairs = zip(self._laps, self._laps[1:], strict=False)
        return {stage: self._between_ms(before, after) for (_, before), (stage, after) in pairs}

    def _now(self) -> Any:
        if not self._on_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between_ms(self, before: Any, after: Any) -> float:
        return float(before.elapsed_time(after)) if self._on_cuda else 1000.0 * (after - before)
