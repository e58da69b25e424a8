"""Writing Pocket as a diffusers folder: half-precision safetensors, a scheduler, an offline tokenizer,
pocket.json.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from torch import nn

from . import tokenizer, unet

SHARD_SIZE = "15MB"
"""Largest weights file; bigger models are split, and diffusers joins them when it loads."""

VERSION = "2.1"
LICENCE = "GPL-3.0-or-later"


def folder(
    target: Path, autoencoder: nn.Module, text: nn.Module, denoiser: nn.Module, words: Path, card: dict
) -> None:
    """Write the model to `target`, aside first and then file by file, so that a reader never sees half a
    file.
    """
    from diffusers import StableDiffusionPipeline

    aside = target.with_name(target.name + ".new")
    shutil.rmtree(aside, ignore_errors=True)
    pipeline = StableDiffusionPipeline(
        vae=_copy(autoencoder, torch.float16),
        # In float32: transformers loads a file in the type it has, diffusers in float32, and a stock
        # `from_pretrained(folder)` without a dtype must not end up with both. It costs one megabyte.
        text_encoder=_copy(text, torch.float32),
        tokenizer=tokenizer.load(words),
        unet=_copy(denoiser, torch.float16),
        scheduler=unet.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(aside, max_shard_size=SHARD_SIZE)
    (aside / "pocket.json").write_text(json.dumps(card, indent=2, sort_keys=True) + "\n")
    _strip(aside)
    replace(aside, target)


def replace(aside: Path, target: Path) -> None:
    """Move every file of `aside` over `target` and remove what `target` has beyond them."""
    fresh = {path.relative_to(aside) for path in aside.rglob("*") if path.is_file()}
    for name in sorted(fresh):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).chmod(0o644)
        (aside / name).replace(target / name)
    for path in target.rglob("*"):
        if path.is_file() and path.relative_to(target) not in fresh:
            path.unlink()
    shutil.rmtree(aside)


def _copy(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy in evaluation mode on the CPU; the module in training stays as it is."""
    copy = (
        type(module)(module.config)
        if not hasattr(module, "from_config")
        else type(module).from_config(module.config)
    )
    copy.load_state_dict(module.state_dict())
    return copy.to("cpu", dtype).eval()


def _strip(aside: Path) -> None:
    """Drop from the configs where the parts lay while training: a path of the training machine is nobody's
    business.
    """
    for path in aside.rglob("*.json"):
        content = json.loads(path.read_text())
        if isinstance(content, dict) and content.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
