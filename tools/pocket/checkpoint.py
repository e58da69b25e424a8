"""Checkpoints of a training as safetensors: tensors as tensors, all the rest as JSON in the header.

Not `torch.save`: what it writes is a pickle, and no file that Impasto reads is one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_STATE = "state"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts, lists, numbers, strings and tensors; whole or not at all."""
    tensors: dict[str, torch.Tensor] = {}
    outline = json.dumps(_outline(state, tensors))
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), metadata={_STATE: outline})
    temporary.replace(path)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """What `save` wrote, tensors on `device`."""
    with safe_open(str(path), framework="pt", device=str(device)) as file:
        outline = json.loads(file.metadata()[_STATE])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
    state: dict[str, Any] = _restored(outline, tensors)
    return state


def _outline(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().clone().contiguous()  # safetensors refuses memory that is shared
        return {"tensor": name}
    if isinstance(
        value, dict
    ):  # as pairs: optimizers count their parameters, and JSON knows only string keys
        return {"pairs": [[key, _outline(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_outline(item, tensors) for item in value]
    return value


def _restored(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _restored(item, tensors) for key, item in value["pairs"]}
    if isinstance(value, list):
        return [_restored(item, tensors) for item in value]
    return value
