"""The small autoencoder that decodes live frames twenty times as fast as a model's own, where there is one.

It is a diffusers folder of its own (TAESD, Bohan 2023) among the models, told by its name: nothing else in it
says for which family's latents it was made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from impasto_protocol import places
from impasto_protocol.errors import BadModel

from impasto_server.families import Family
from impasto_server.models.catalogue import Catalogue
from impasto_server.models.folder import PartFolder, read_part

_DEPTH = 4  # folders below a model folder: the hub's cache puts a snapshot three down


def find(catalogue: Catalogue, family: Family) -> PartFolder | None:
    """The first that is whole and fits, by path."""
    if not family.tiny_autoencoder:
        return None
    name = re.compile(f"(?<![a-z]){family.tiny_autoencoder}(?![a-z])")
    for root in (places.model_folder(catalogue.home), *catalogue.folders):
        for folder in _configs(root):
            if name.search(str(folder.relative_to(root)).lower()):
                part = _readable(folder)
                if part is not None:
                    return part
    return None


def load(part: PartFolder, dtype: torch.dtype, device: str) -> Any:
    """Raises what diffusers raises for files that do not fit."""
    from diffusers import AutoencoderTiny

    autoencoder = AutoencoderTiny.from_pretrained(
        part.folder, torch_dtype=dtype, variant=part.variant, use_safetensors=True, local_files_only=True
    )
    return autoencoder.eval().to(device)


def _configs(root: Path) -> Iterator[Path]:
    patterns = ("/".join(["*"] * depth + ["config.json"]) for depth in range(1, _DEPTH + 1))
    for pattern in patterns:
        for config in sorted(root.glob(pattern)):
            yield config.parent


def _readable(folder: Path) -> PartFolder | None:
    try:
        part = read_part(folder)
    except BadModel:
        return None
    tiny = part.config.get("_class_name") == "AutoencoderTiny" and part.config.get("latent_channels", 4) == 4
    return part if tiny else None
