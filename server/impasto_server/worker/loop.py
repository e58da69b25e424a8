"""The worker's life: take the most urgent job, let the engine paint it, store each layer as soon as it is
finished, say how it ended.

The engine runs on the main thread, and so does every job that is nested in another one's step gate. Whatever
goes wrong with one job ends that job alone, with a typed error.
"""

from __future__ import annotations

import gc
import logging
import secrets
import sys
import time

import numpy as np
from impasto_protocol.errors import ImpastoError, InternalError, OutOfMemory
from impasto_protocol.messages import ErrorInfo
from impasto_protocol.rasters import PixelFormat, channels

from impasto_server.blobs import BlobRef, BlobStore
from impasto_server.engine.interface import Cancelled, Engine, Input, Layer
from impasto_server.pool.channel import Ended, ModelsChanged, Painted, Ready, Run, StoredLayer
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.gate import Gate, Stopping

__all__ = ["Worker"]

log = logging.getLogger(__name__)

LOOK_FOR_MODELS_S = 10.0  # between two looks for new models and adapters, when no job runs
NO_MEMORY = (
    "The device ran out of memory for this picture. "
    "Choose a smaller size or a smaller model, or close other programs, and try again."
)
_DTYPES = {
    PixelFormat.RGB8: "u1",
    PixelFormat.RGBA8: "u1",
    PixelFormat.GRAY8: "u1",
    PixelFormat.GRAY16: "<u2",
    PixelFormat.RGBA16: "<u2",
    PixelFormat.DEPTH32F: "<f4",
}


class Worker:
    """Serves one engine from `inbox` to `outbox`. All methods run on the main thread."""

    def __init__(self, engine: Engine, blobs: BlobStore, inbox: Inbox, outbox: Outbox) -> None:
        self._engine = engine
        self._blobs = blobs
        self._inbox = inbox
        self._outbox = outbox

    def serve(self) -> None:
        """Returns when the channel has ended or `Stop` has come."""
        models, looked_s = self._engine.models(), time.monotonic()
        self._outbox.send(Ready(self._engine.device, models))
        try:
            while not self._inbox.stopping:
                command = self._inbox.wait(LOOK_FOR_MODELS_S)
                if command is not None:
                    self.run(command)
                if self._inbox.stopping or time.monotonic() - looked_s < LOOK_FOR_MODELS_S:
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
            if len(layers) < command.generate.takes:  # the last one goes with `Ended`
                self._outbox.send(Painted(command.job, list(layers)))

        gate = Gate(command.job, self._inbox, self._outbox, self.run, keep)
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
            state, error = "failed", _explain(command.job, problem)
        if error is not None and error.code == OutOfMemory.code:
            _free_memory()
        self._inbox.ended(command.job)
        self._outbox.send(Ended(command.job, state, gate.device_s, layers, error))

    def _paint(self, command: Run, gate: Gate) -> None:
        image = self._input(command.image) if command.image is not None else None
        mask = self._input(command.mask) if command.mask is not None else None
        controls = [self._input(ref) for ref in command.controls]
        self._engine.generate(command.generate, image, mask, gate, controls)

    def _input(self, ref: BlobRef) -> Input:
        shape = (ref.height, ref.width, channels(ref.format))
        if channels(ref.format) == 1:
            shape = shape[:2]  # type: ignore[assignment]  # (H, W)
        return Input(ref, np.frombuffer(self._blobs.read(ref), _DTYPES[ref.format]).reshape(shape))

    def _store(self, layer: Layer) -> StoredLayer:
        info = layer.info
        shape = (info.height, info.width, channels(info.format))
        if layer.pixels.shape != shape or layer.pixels.dtype != _DTYPES[info.format]:
            raise ValueError(
                f"the engine made {layer.pixels.shape} {layer.pixels.dtype} of {info.format.value}"
            )
        pixels = np.ascontiguousarray(layer.pixels)
        return StoredLayer(info, self._blobs.put(pixels.data, info.width, info.height, info.format))


def _explain(job: str, problem: Exception) -> ErrorInfo:
    """What the artist is told. What she cannot mend goes to the log, in full, under a reference."""
    if isinstance(problem, ImpastoError):
        log.info("Job %s: %s: %s", job, problem.code, problem.sentence)
        return ErrorInfo(problem.code, problem.sentence)
    if isinstance(problem, MemoryError) or _is_out_of_memory(problem):
        log.warning("Job %s ran out of memory.", job, exc_info=problem)
        return ErrorInfo(OutOfMemory.code, NO_MEMORY)
    reference = secrets.token_hex(4)
    log.error("Job %s failed; reference %s", job, reference, exc_info=problem)
    return ErrorInfo(
        InternalError.code,
        f"Something broke inside Impasto. Trying again may help; if not, please report it with what "
        f"log/worker.log says under {reference}.",
    )


def _is_out_of_memory(problem: Exception) -> bool:
    """torch's own error for a device; for main memory a RuntimeError that is told by its text."""
    torch = sys.modules.get("torch")  # never imported here: an engine that uses it has done so
    if torch is not None and isinstance(problem, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(
        words in str(problem) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
