"""What a job adds to its model: ControlNets beside the denoiser, LoRAs inside the shared modules.

LoRAs are peft layers under a name of their own. Which of them work is settled by `LoadedAdapters.wear`, again
before every call of a shared module, because a more urgent job may have worn others meanwhile. A module whose
LoRAs are all taken off computes the same bytes as one that never had any.
"""

from __future__ import annotations

import json
import math
import warnings
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import safe_open

from impasto_server.families import Components, Family
from impasto_server.models.folder import PartFolder
from impasto_server.models.lora_file import LoraFile, factor_of

CONTROLNET = "controlnet"  # the module name under which ControlNets meet the step gate
# Of LoRAs of one model that no job uses, as many stay loaded.
_IDLE_LORAS = 8


@dataclass(frozen=True, eq=False)
class LoadedNet:
    module: torch.nn.Module
    weight_values: int


@dataclass(frozen=True, eq=False)
class LoadedLora:
    """adapter: its name in the peft layers. parts: names of the modules that it changes."""

    adapter: str
    parts: frozenset[str]
    weight_values: int


Worn = tuple[tuple[LoadedLora, float], ...]  # with strengths


@dataclass(frozen=True, eq=False)
class Adaptation:
    """A job's own choice of them.

    nets: in the order of the controls at work. digests: as in `Recipe.adapters`. offloads: with these, the
    model's parts do not fit on the device together.
    """

    nets: tuple[LoadedNet, ...] = ()
    loras: Worn = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    offloads: bool = False

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        return tuple(net.module for net in self.nets)

    @property
    def reading(self) -> tuple[tuple[str, float], ...]:
        """All that the embedded prompts depend on."""
        return tuple(
            (lora.adapter, strength)
            for lora, strength in self.loras
            if any(part.startswith("text_encoder") for part in lora.parts)
        )


@dataclass(eq=False)
class LoadedAdapters:
    """ControlNets and LoRAs loaded for one model, by digest, those used longest ago first."""

    nets: OrderedDict[str, LoadedNet] = field(default_factory=OrderedDict)
    loras: OrderedDict[str, LoadedLora] = field(default_factory=OrderedDict)
    _worn: tuple[tuple[str, float], ...] | None = ()  # None: unknown

    @property
    def weight_values(self) -> int:
        nets = sum(net.weight_values for net in self.nets.values())
        return nets + sum(lora.weight_values for lora in self.loras.values())

    def add_lora(self, family: Family, components: Components, file: LoraFile, lora: LoadedLora) -> None:
        """Raises what diffusers and peft raise for files that do not fit; the modules are as before then."""
        self._worn = None
        denoiser = components.modules[family.denoiser]
        try:
            # Also while a job in inference mode waits: its tensors could not be changed later.
            with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Already found a `peft_config`")  # that is the point
                family.load_lora(
                    components, lora_tensors(file, next(denoiser.parameters()).dtype), lora.adapter
                )
        except BaseException:
            _delete(components.modules, lora.adapter)
            raise

    def wear(self, modules: Mapping[str, torch.nn.Module], loras: Worn) -> None:
        """Makes exactly these work, in this order. Costs nothing when they do already."""
        wanted = tuple((lora.adapter, strength) for lora, strength in loras)
        if wanted == self._worn:
            return
        self._worn = None
        for part, module in modules.items():
            here = [(lora.adapter, strength) for lora, strength in loras if part in lora.parts]
            for layer in _tuned(module):
                layer.set_adapter([name for name, _ in here], inference_mode=True)
                for name, strength in here:
                    layer.set_scale(name, strength)
        self._worn = wanted

    def shed(self, modules: Mapping[str, torch.nn.Module], needed: Collection[str], all_idle: bool) -> None:
        """Drops what is not `needed` (digests): `all_idle` of it, or the LoRAs used longest ago that are too
        many."""
        idle = [digest for digest in self.loras if digest not in needed]
        for digest in idle if all_idle else idle[: max(len(idle) - _IDLE_LORAS, 0)]:
            self._worn = None
            _delete(modules, self.loras.pop(digest).adapter)
        for digest in [digest for digest in self.nets if digest not in needed] if all_idle else ():
            del self.nets[digest]


def load_net(family: Family, part: PartFolder, dtype: torch.dtype) -> LoadedNet:
    """Raises what diffusers raises for files that do not fit."""
    return LoadedNet(family.load_control(part.folder, dtype, part.variant), part.weight_values)


def lora_tensors(file: LoraFile, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The factors of a LoRA, its alphas multiplied into the second ones: ΔW = B·A with nothing left to know.

    Files say alpha in tensors (kohya) or in peft's configuration, of which only these numbers are read: the
    rest of it could ask peft to change the model's own weights.
    """
    with safe_open(file.path, framework="pt") as opened:
        settings = _settings(opened.metadata() or {})
        given = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  not a dict
    tensors = {}
    for name, values in given.items():
        layer, side = factor_of(name)
        if side == "A":
            tensors[name] = values.to(dtype)
        elif side == "B":
            scale = _scale(layer, values.shape[1], given.get(f"{layer}.alpha"), settings)
            tensors[name] = (values.float() * scale).to(dtype)
    return tensors


def _settings(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        settings = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _scale(layer: str, rank: int, alpha: torch.Tensor | None, settings: Mapping[str, Any]) -> float:
    if alpha is not None:
        return float(alpha) / rank
    part, _, inside = layer.partition(".")
    patterns = settings.get(f"{part}.alpha_pattern")
    usual = settings.get(f"{part}.lora_alpha")
    chosen = patterns.get(inside, usual) if isinstance(patterns, dict) else usual
    if not isinstance(chosen, (int, float)):
        return 1.0
    return chosen / (math.sqrt(rank) if settings.get(f"{part}.use_rslora") else rank)


def _tuned(module: torch.nn.Module) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [layer for layer in module.modules() if isinstance(layer, BaseTunerLayer)]


def _delete(modules: Mapping[str, torch.nn.Module], adapter: str) -> None:
    from diffusers.utils.peft_utils import delete_adapter_layers

    for module in modules.values():
        for layer in _tuned(module):
            layer.set_adapter([], inference_mode=True)  # else peft puts another one on in its place
        delete_adapter_layers(module, adapter)
