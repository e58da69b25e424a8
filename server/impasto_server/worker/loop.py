"""The worker's life: take the most urgent job, let the engine paint it, store each layer as soon as it is
finished, say how it ended. Live previews go before jobs, but after each of them a job that waits is begun:
the next ones are painted in its step gate.

The engine runs on the main thread, and so does every job that is nested in another one's step gate. Whatever
goes wrong with one job ends that job alone, with a typed error.
"""

from __future__ import annotations

import logging
import time

import numpy as np
from impasto_protocol.messages import ErrorInfo
from impasto_protocol.rasters import channels

from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.engine.interface import Cancelled, Engine, Input, Layer
from impasto_server.pool.channel import Ended, ModelsChanged, Painted, Ready, Run, StoredLayer
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.gate import Gate, Stopping
from impasto_server.worker.live import SAMPLES, LiveSessions
from impasto_server.worker.mishaps import clear_up, explain

__all__ = ["Worker"]

log = logging.getLogger(__name__)

LOOK_FOR_MODELS_S = 10.0  # between two looks for new models and adapters, when no job runs


class Worker:
    """Serves one engine from `inbox` to `outbox`. All methods run on the main thread."""

    def __init__(self, engine: Engine, blobs: BlobStore, inbox: Inbox, outbox: Outbox) -> None:
        self._engine = engine
        self._blobs = blobs
        self._inbox = inbox
        self._outbox = outbox
        self._live = LiveSessions(engine, inbox, outbox)

    def serve(self) -> None:
        """Returns when the channel has ended or `Stop` has come."""
        models, looked_s = self._engine.models(), time.monotonic()
        self._outbox.send(Ready(self._engine.device, models))
        try:
            while not self._inbox.stopping:
                self._live.paint_next()
                command = self._inbox.wait(max(0.0, min(LOOK_FOR_MODELS_S, self._live.rest_left_s())))
                if command is not None:
                    self.run(command)
                elif not self._inbox.news:
                    self._live.refine()
                if self._inbox.stopping or self._inbox.live_news():
                    continue  # looking into folders is for when nobody draws
                if time.monotonic() - looked_s < LOOK_FOR_MODELS_S:
                    continue
                found, looked_s = self._engine.models(), time.monotonic()
                if found != models:
                    models = found
                    self._outbox.send(ModelsChanged(models))
        except Stopping:
            log.info("Stopped in the middle of a job.")

    def run(self, command: Run) -> None:
        """Paints one job to its end, whatever that is. Raises only `Stopping`."""
        layers: list[StoredLayer] = []

        def keep(layer: Layer) -> None:
            layers.append(self._store(layer))
            if len(layers) < command.generate.layers:  # the last one goes with `Ended`
                self._outbox.send(Painted(command.job, list(layers)))

        gate = Gate(command.job, self._inbox, self._outbox, self._live.paint_each, self.run, keep)
        error: ErrorInfo | None = None
        try:
            state = "done"
            if self._inbox.is_cancelled(command.job):
                raise Cancelled
            self._paint(command, gate)
        except Stopping:
            raise
        except Cancelled:
            state = "cancelled"
        except Exception as problem:  # noqa: BLE001  the outermost boundary: nothing is swallowed
            state, error = "failed", explain(f"Job {command.job}", problem)
        if error is not None:
            clear_up(error)
        self._inbox.ended(command.job)
        self._outbox.send(Ended(command.job, state, gate.device_s, layers, error))

    def _paint(self, command: Run, gate: Gate) -> None:
        pictures = {role: self._input(ref) for role, ref in command.pictures.items()}
        self._engine.generate(command.generate, pictures, gate)

    def _input(self, ref: BlobRef) -> Input:
        shape = (ref.height, ref.width, channels(ref.format))
        if channels(ref.format) == 1:
            shape = shape[:2]  # type: ignore[assignment]  # (H, W)
        return Input(ref, np.frombuffer(self._blobs.read(ref), SAMPLES[ref.format]).reshape(shape))

    def _store(self, layer: Layer) -> StoredLayer:
        info = layer.info
        shape = (info.height, info.width, channels(info.format))
        if layer.pixels.shape != shape or layer.pixels.dtype != SAMPLES[info.format]:
            raise ValueError(
                f"the engine made {layer.pixels.shape} {layer.pixels.dtype} of {info.format.value}"
            )
        pixels = np.ascontiguousarray(layer.pixels)
        return StoredLayer(info, self._blobs.put(pixels.data, info.width, info.height, info.format))
