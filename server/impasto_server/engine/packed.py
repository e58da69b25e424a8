"""A copy of a module that computes faster on the CPU than the one that jobs share.

Its weights are laid out once as oneDNN wants them, where the shared ones are laid out anew in every call;
they are bfloat16 where the processor multiplies that natively; and LoRAs are added into them. Jobs never see
it: their pictures are float32, and their bytes do not depend on whether somebody paints live.

The operators are those that torch's own compiler uses for the same purpose.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn


def can_pack() -> bool:
    """Whether this build of torch has what it takes."""
    operators = ("_convolution_pointwise", "_linear_pointwise")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in operators)


def native_dtype() -> torch.dtype:
    """What this processor multiplies fastest."""
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


class PackedCopy:
    """module: computes what `source` computes; called in inference mode."""

    def __init__(self, source: nn.Module, dtype: torch.dtype) -> None:
        self._source = source
        self._layers = {name: _packed(layer, dtype) for name, layer in _leaves(source)}
        self._worn: dict[str, list[tuple[str, float]]] = {}
        # What deepcopy finds here it takes in place of a copy.
        stand_ins = {id(source.get_submodule(name)): layer for name, layer in self._layers.items()}
        with torch.inference_mode(False), torch.no_grad():
            self.module = nn.Module.to(copy.deepcopy(source, stand_ins), dtype)  # diffusers' own would warn
        for part in self.module.modules():
            part._forward_pre_hooks.clear()  # those are for the step gate
        self.follow()

    def follow(self) -> None:
        """Takes over the LoRAs that the source wears now; costs little where they are the same."""
        with torch.inference_mode(False), torch.no_grad():
            for name, packed in self._layers.items():
                layer = self._source.get_submodule(name)
                worn = _worn(layer)
                if self._worn.get(name) != worn:
                    weight = _plain(layer).weight
                    for adapter, _ in worn:
                        weight = weight + layer.get_delta_weight(adapter)
                    packed.lay_out(weight)
                    self._worn[name] = worn


class _Packed(nn.Module):  # type: ignore[misc]  # torch is not looked into
    """weight: given, until the first call shows for which shape it is best laid out."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        given = layer.bias
        self.bias = None if given is None else nn.Parameter(given.detach().to(dtype), requires_grad=False)
        self.weight: torch.Tensor | None = None
        self.laid_out: torch.Tensor | None = None

    def lay_out(self, weight: torch.Tensor) -> None:
        self.weight, self.laid_out = weight.detach().to(self.dtype), None


class _Convolution(_Packed):
    def __init__(self, layer: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__(layer, dtype)
        self.geometry = (list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups)

    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        if self.laid_out is None:
            self.laid_out = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, *self.geometry, list(x.shape)
            )
            self.weight = None
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.laid_out, self.bias, *self.geometry, "none", [], ""
        )


class _Linear(_Packed):
    def forward(self, x: torch.Tensor, *_: Any) -> torch.Tensor:
        if self.laid_out is None:
            rows = x.numel() // x.shape[-1]
            self.laid_out = torch.ops.mkldnn._reorder_linear_weight(self.weight, rows)
            self.weight = None
        return torch.ops.mkldnn._linear_pointwise(x, self.laid_out, self.bias, "none", [], "")


def _packed(layer: Any, dtype: torch.dtype) -> _Packed:
    plain = _plain(layer)
    return _Convolution(plain, dtype) if isinstance(plain, nn.Conv2d) else _Linear(plain, dtype)


def _leaves(module: nn.Module, above: str = "") -> Iterator[tuple[str, Any]]:
    """The layers that can be packed, by name; those that LoRAs are wrapped around with their wrapping."""
    for name, child in module.named_children():
        if _plain(child) is not None:
            yield f"{above}{name}", child
        else:
            yield from _leaves(child, f"{above}{name}.")


def _plain(layer: Any) -> Any:
    """The layer itself, out of peft's wrapping; None for one that cannot be packed."""
    plain = getattr(layer, "base_layer", layer)
    if type(plain) is nn.Conv2d:
        return plain if plain.padding_mode == "zeros" and not isinstance(plain.padding, str) else None
    return plain if type(plain) is nn.Linear else None


def _worn(layer: Any) -> list[tuple[str, float]]:
    """The LoRAs at work in this layer, with their scales."""
    held = getattr(layer, "lora_A", {})
    return [(name, layer.scaling[name]) for name in getattr(layer, "active_adapters", ()) if name in held]
