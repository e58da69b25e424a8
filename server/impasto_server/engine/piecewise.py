"""A module that computes a large batch in pieces: a batched pipeline needs hardly more memory than a single
picture then, and meets the step gate between any two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["Piecewise"]


class Piecewise(torch.nn.Module):  # type: ignore[misc]  # torch's classes are untyped here
    """Stands in for a denoiser or a ControlNet, and calls it with a batch cut into so many `pieces`. The
    samples of a batch know nothing of each other: the pictures are the same.
    """

    def __init__(self, module: torch.nn.Module, pieces: int) -> None:
        super().__init__()
        self.whole = module
        self._pieces = pieces

    def __getattr__(self, name: str) -> Any:
        """Pipelines ask a module for its config, dtype, device …"""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("whole"), name)

    def forward(self, *given: Any, **named: Any) -> Any:
        batch = len(given[0] if given else named["sample"])
        cuts = [
            slice(start, start + batch // self._pieces) for start in range(0, batch, batch // self._pieces)
        ]
        return _joined([self.whole(*_cut(given, batch, cut), **_cut(named, batch, cut)) for cut in cuts])


def _cut(value: Any, batch: int, part: slice) -> Any:
    """That part of every tensor which has a row for each sample of the batch."""
    if isinstance(value, torch.Tensor):
        return value[part] if value.dim() > 0 and value.shape[0] == batch else value
    if isinstance(value, dict):
        return {name: _cut(one, batch, part) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cut(one, batch, part) for one in value)
    return value


def _joined(pieces: Sequence[Any]) -> Any:
    """What a forward returns without `return_dict`: tensors, in lists and tuples."""
    first = pieces[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(list(pieces))
    return type(first)(_joined(parts) for parts in zip(*pieces, strict=True))
