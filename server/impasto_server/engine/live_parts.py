"""Which modules paint a model's live frames: those that jobs share, or on the CPU faster copies of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch

from impasto_server.engine import tiny_autoencoder
from impasto_server.engine.adapters import Adaptation
from impasto_server.engine.frame_loop import Parts
from impasto_server.engine.loading import LoadedModel, reading
from impasto_server.engine.memory import Tier
from impasto_server.engine.packed import PackedCopy, can_pack, native_dtype
from impasto_server.models.catalogue import Catalogue

# A copy may take this share of the memory that is free; what pictures need comes on top.
_SHARE = 0.6
# A smaller denoiser's layers are over before a second thread has woken: with two, a step of Pocket's takes
# 1.3 times as long on quiet cores, and 5 to 20 times on busy ones.
_WORTH_THREADS = 100_000_000


@dataclass(eq=False)
class LiveParts:
    """Of one model. autoencoder: a smaller one than its own, or None. copies: None if the shared modules are
    used.
    """

    model: LoadedModel
    autoencoder: Any = None
    copies: dict[Any, PackedCopy] | None = None
    _worn: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.model.device == "cpu" and can_pack() and self._has_room():
            self.copies = {}

    def at_work(self, adaptation: Adaptation) -> Parts:
        """The modules for frames with these adapters."""
        model = self.model
        shared = (model.denoiser, self.autoencoder or model.modules["vae"], *adaptation.modules)
        threads = 1 if model.source.weight_values < _WORTH_THREADS else torch.get_num_threads()
        if self.copies is None:
            return _parts(shared, model.device, threads)
        worn = tuple((lora.adapter, strength) for lora, strength in adaptation.loras)
        missing = [module for module in shared if module not in self.copies]
        if missing or worn != self._worn:
            model.set_up(Tier.FULL, model.source.family.denoiser, adaptation)
            self._forget_dropped(self.copies)
            self.copies.update((module, PackedCopy(module, native_dtype())) for module in missing)
            self.copies[model.denoiser].follow()
            self._worn = worn
        return _parts([self.copies[module].module for module in shared], model.device, threads)

    def _forget_dropped(self, copies: dict[Any, PackedCopy]) -> None:
        """ControlNets that are no longer loaded."""
        nets = [net.module for net in self.model.adapters.nets.values()]
        needed = (*self.model.modules.values(), self.autoencoder, *nets)
        for module in [one for one in copies if one not in needed]:
            del copies[module]

    def _has_room(self) -> bool:
        needed = self.model.source.weight_values * native_dtype().itemsize
        return bool(needed < _SHARE * psutil.virtual_memory().available)


def live_parts(model: LoadedModel, catalogue: Catalogue) -> LiveParts:
    """Reads the small autoencoder, if there is one that fits. Raises `BadModel`, `OutOfMemory`."""
    own, part = model.modules["vae"], tiny_autoencoder.find(catalogue, model.source.family)
    if part is None or type(own).__name__ == "AutoencoderTiny":
        return LiveParts(model)

    def read() -> Any:
        return tiny_autoencoder.load(part, next(model.denoiser.parameters()).dtype, model.device)

    return LiveParts(model, reading(read, f"the autoencoder “{part.folder.name}”"))


def _parts(modules: Sequence[Any], device: str, threads: int) -> Parts:
    denoiser, vae, *nets = modules
    return Parts(denoiser, vae, nets, torch.device(device), threads)
