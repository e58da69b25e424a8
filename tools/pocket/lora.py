"""One small style LoRA: adapters taught on stylised scenes, saved as stock diffusers saves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import checkpoint, data, denoising, loop, unet
from .styles import style_measure

__all__ = ["averaged", "build", "save", "style_measure", "train"]

RANK = 8

LAYERS = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "proj_in",
    "proj_out",
    "conv1",
    "conv2",
    "conv_shortcut",
    "conv_in",
    "conv_out",
)
"""Layers with an adapter. Attention alone cannot take the colour out of a picture: it lies at 1/4 and 1/8."""


def build(denoiser: nn.Module) -> nn.Module:
    """The UNet, frozen, with fresh adapters that have no effect yet."""
    from peft import LoraConfig

    denoiser.requires_grad_(False)
    denoiser.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(LAYERS)))
    return denoiser


def train(
    course: denoising.Course, style: str, limit_s: float, path: Path, denoiser: nn.Module, rate: float = 1.0
) -> nn.Module:
    """Teach `denoiser` the style → the averaged UNet with its adapters."""
    alphas = unet.scheduler().alphas_cumprod.to(course.device)
    kind = (style, 256)
    stream = data.Stream(course.shards, kind, course.seed + 99)

    def loss_of(
        model: nn.Module, progress: float, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        batch = stream.take(course.batch(kind[1]), course.blank)
        latents = batch.latents.to(course.device)

        def predict(noisy: torch.Tensor, steps: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = model(noisy, steps, hidden).sample
            return output

        loss = unet.velocity_loss(predict, alphas, latents, course.hidden(batch.ids), generator)
        return loss, len(latents)

    settings = loop.Fit(
        course.out, f"lora {style}", path, limit_s, course.device, course.seed, ("lora_",), rate
    )
    return loop.fit(settings, build(denoiser), loss_of)


def averaged(path: Path, denoiser: nn.Module) -> nn.Module:
    """The UNet with the averaged adapters kept at `path`."""
    model = build(denoiser)
    model.load_state_dict(checkpoint.load(path)["average"])
    return model.eval()


def save(model: nn.Module, path: Path) -> None:
    """Write the adapters of a UNet in half precision, as `StableDiffusionPipeline.save_lora_weights` does."""
    from diffusers import StableDiffusionPipeline
    from peft.utils import get_peft_model_state_dict

    state = get_peft_model_state_dict(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        path.parent,
        unet_lora_layers={name: value.half().cpu() for name, value in state.items()},
        weight_name=path.name,
    )
