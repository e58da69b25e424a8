"""CUDA graphs of a live loop's segments.

A fast GPU waits for the CPU to launch the thousand kernels of a UNet; a graph launches them at once.
Capturing takes as long as a frame or two, so after each frame one of its segments is captured, and plain
calls and graphs mix freely: all that segments say to each other stands in the loop's buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from impasto_server.engine.frame_loop import FrameLoop, Segment

Capture = Callable[[Segment], Segment]


class Graphs:
    """Of one loop. capture: makes the graph of a segment, ready to be launched."""

    def __init__(self, loop: FrameLoop, capture: Capture | None = None) -> None:
        self._loop = loop
        self._capture = capture or _capture_on(loop)
        self._plain = list(loop.segments)
        self._baked: object = None
        self._captured = 0

    def check(self, worn: object) -> None:
        """Before a frame: plain calls again if something has changed that a graph cannot see. `worn`: the
        LoRAs with their weights, which peft multiplies in as plain numbers."""
        baked = (worn, self._loop.places)
        if baked != self._baked:
            self._baked = baked
            self._loop.segments[:] = self._plain
            self._captured = 0

    def capture_next(self) -> None:
        """After a frame, which has warmed up what it called."""
        if self._captured < len(self._plain):
            self._loop.segments[self._captured] = self._capture(self._plain[self._captured])
            self._captured += 1


def _capture_on(loop: FrameLoop) -> Capture:
    """The graphs of a loop share their memory: they are launched one after another, in the order in which
    they were captured."""
    pool: Any = torch.cuda.graph_pool_handle()

    def capture(segment: Segment) -> Segment:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, stream=loop.stream):
            segment()
        launch: Segment = graph.replay
        return launch

    return capture
