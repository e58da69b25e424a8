"""Models and adapters in memory: loaded when asked for, dropped for room, never under a job at work."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

import psutil
import torch
from impasto_protocol.errors import OutOfMemory
from impasto_protocol.messages import GenerateRequest

from impasto_server.engine import loading
from impasto_server.engine.adapters import Adaptation, LoadedLora, LoadedNet
from impasto_server.engine.gate_hooks import JobStack
from impasto_server.engine.loading import LoadedModel
from impasto_server.engine.memory import release_cached
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.folder import ModelFolder, PartFolder
from impasto_server.models.lora_file import LoraFile

T = TypeVar("T")

# What is loaded may take this share of the memory; the rest is for pictures, and on the CPU for other
# programs.
_SHARE = 0.5


@runtime_checkable
class Borrower(Protocol):
    """Who works with a model; all that is on the `JobStack`."""

    @property
    def model(self) -> LoadedModel: ...

    @property
    def adaptation(self) -> Adaptation: ...


@dataclass(eq=False)
class Shelf:
    """One for all jobs of an engine. models: by digest, least recently used first. on_drop: is told of each
    model that goes."""

    device: str
    catalogue: Catalogue
    stack: JobStack
    models: OrderedDict[str, LoadedModel] = field(default_factory=OrderedDict)
    on_drop: Callable[[LoadedModel], None] = lambda model: None

    def model(self, source: ModelFolder, announce: Callable[[], None]) -> LoadedModel:
        """`announce` is called if it has to be read first. Raises `BadModel`, `OutOfMemory`."""
        digest = self.catalogue.digest(source)
        model = self.models.get(digest)
        if model is None:
            announce()
            self._make_room(source.weight_values)
            model = self._with_room(lambda: loading.load(source, digest, self.device, self.stack))
            self.models[digest] = model
        self.models.move_to_end(digest)
        return model

    def adaptation(
        self, model: LoadedModel, request: GenerateRequest, announce: Callable[[], None]
    ) -> Adaptation:
        """The ControlNets and LoRAs of a request with every choice made, loaded; those of strength 0 are as
        if they were not there. Raises `UnknownModel`, `BadModel`, `OutOfMemory`."""
        find, source = self.catalogue.adapters, model.source
        nets = {f"control {one.kind}": find.control(source, one.kind) for one in request.controls}
        files = {f"lora {one.name}": find.lora(source, one.name) for one in request.loras}
        kinds = [f"control {one.kind}" for one in request.controls if one.strength != 0.0]
        names = {f"lora {one.name}": one.strength for one in request.loras if one.strength != 0.0}
        if not kinds and not names:
            return Adaptation()
        found: dict[str, PartFolder | LoraFile] = {role: (nets | files)[role] for role in (*kinds, *names)}
        digests = {role: find.digest(one) for role, one in found.items()}
        self._provide(model, found, digests, announce)
        used = tuple(model.adapters.nets[digests[role]] for role in kinds)
        worn = tuple((model.adapters.loras[digests[role]], strength) for role, strength in names.items())
        more = sum(one.weight_values for one in set(used)) + sum(lora.weight_values for lora, _ in worn)
        return Adaptation(used, worn, digests, not loading.fits(source, self.device, more))

    def holds(self, borrower: Borrower) -> bool:
        """Whether all of it is still loaded."""
        model = borrower.model
        held = {**model.adapters.nets, **model.adapters.loras}
        return self.models.get(model.digest) is model and all(
            digest in held for digest in borrower.adaptation.digests.values()
        )

    def _provide(
        self,
        model: LoadedModel,
        found: dict[str, PartFolder | LoraFile],
        digests: dict[str, str],
        announce: Callable[[], None],
    ) -> None:
        """Loads what is not there yet."""
        held = model.adapters
        missing = {digests[role]: one for role, one in found.items()}
        missing = {k: one for k, one in missing.items() if k not in held.nets and k not in held.loras}
        if missing:
            announce()
            self._make_room(sum(one.weight_values for one in missing.values()), model, digests.values())
        for digest, one in missing.items():
            if isinstance(one, LoraFile):
                held.loras[digest] = self._lora(model, one, digest)
            else:
                held.nets[digest] = self._with_room(partial(self._net, model, one), model)
        for digest in digests.values():
            (held.nets if digest in held.nets else held.loras).move_to_end(digest)
        held.shed(model.modules, self._needed(model, digests.values()), all_idle=False)

    def _net(self, model: LoadedModel, part: PartFolder) -> LoadedNet:
        return loading.load_control(model.source, part, self.device, self.stack)

    def _lora(self, model: LoadedModel, file: LoraFile, digest: str) -> LoadedLora:
        parts = self.catalogue.adapters.parts_changed(file, model.source)
        lora = LoadedLora(f"lora_{digest}", parts, file.weight_values)
        return self._with_room(lambda: loading.load_lora(model, file, lora), model)

    def _with_room(self, load: Callable[[], T], keep: LoadedModel | None = None) -> T:
        """Loads; when memory does not suffice, once more with all other models off the device."""
        try:
            return load()
        except OutOfMemory:
            if not self.models:
                raise
        for digest, model in list(self.models.items()):
            model.rest()
            if model is not keep and model not in self._in_use():
                self._drop(digest)
        release_cached()
        return load()

    def _make_room(self, values: int, keep: LoadedModel | None = None, needed: Collection[str] = ()) -> None:
        """Drops the models used longest ago until `values` more fit the share. Of models that a job in
        progress needs, and of `keep`, only adapters that nobody needs."""
        budget = int(_memory_bytes(self.device) * _SHARE) // loading.working_dtype(self.device).itemsize
        for digest, model in list(self.models.items()):
            if sum(held.weight_values for held in self.models.values()) + values <= budget:
                return
            if model is keep or model in self._in_use():
                model.adapters.shed(model.modules, self._needed(model, needed), all_idle=True)
            else:
                self._drop(digest)
            del model
            release_cached()

    def _drop(self, digest: str) -> None:
        self.on_drop(self.models.pop(digest))

    def _in_use(self) -> list[LoadedModel]:
        return [job.model for job in self.stack.jobs if isinstance(job, Borrower)]

    def _needed(self, model: LoadedModel, more: Collection[str]) -> set[str]:
        """Digests of the adapters that jobs in progress use on this model."""
        jobs = [job for job in self.stack.jobs if isinstance(job, Borrower) and job.model is model]
        return {*more, *(digest for job in jobs for digest in job.adaptation.digests.values())}


def _memory_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(psutil.virtual_memory().total)
