"""Pocket, the embedded default model: a small latent diffusion model in diffusers' folder format.

The weights lie beside this file; `tools/pocket` is the recipe that makes them, `docs/pocket.md` the model
card. `StableDiffusionPipeline.from_pretrained(folder())` loads it, and so do the stock img2img and inpaint
pipelines. Beside them lie its ControlNets and LoRAs, as far as they are made.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["control_folder", "controls", "folder", "lora_file", "loras"]

_HERE = Path(__file__).resolve().parent


def folder() -> Path:
    """The diffusers folder (`model_index.json`, `unet/`, `vae/`, …) with `pocket.json`, Pocket's own
    defaults.
    """
    return _HERE / "weights"


def controls() -> list[str]:
    """Kinds of control image that Pocket has a ControlNet for."""
    return sorted(path.parent.name for path in (_HERE / "controls").glob("*/config.json"))


def control_folder(kind: str) -> Path:
    """The diffusers folder of a ControlNet for Pocket."""
    return _HERE / "controls" / kind


def loras() -> list[str]:
    """Names of Pocket's LoRAs."""
    return sorted(path.stem for path in (_HERE / "loras").glob("*.safetensors"))


def lora_file(name: str) -> Path:
    """A LoRA for Pocket, as `StableDiffusionPipeline.save_lora_weights` writes it."""
    return _HERE / "loras" / f"{name}.safetensors"
