"""Pocket, the embedded default model: a small latent diffusion model in diffusers' folder format.

The weights lie beside this file; `tools/pocket` is the recipe that makes them, `docs/pocket.md` the model
card. `StableDiffusionPipeline.from_pretrained(folder())` loads it, and so do the stock img2img and inpaint
pipelines.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder"]


def folder() -> Path:
    """The diffusers folder (`model_index.json`, `unet/`, `vae/`, …) with `pocket.json`, Pocket's own
    defaults.
    """
    return Path(__file__).resolve().parent / "weights"
