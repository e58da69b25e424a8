"""ControlNets for scribbles and for depth: stock diffusers ControlNetModels, trained on a frozen UNet.

diffusers' hint embedding, as it is initialised, shrinks the hint to a standard deviation of 0.005, from which
a small network does not recover. Here every convolution of it is rescaled to unit output variance on a batch
of hints and the last one starts non-zero; the 1×1 zero convolutions stay zero. The file format is the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import checkpoint, data, denoising, loop, unet

KIND: data.Kind = ("control", 256)

CHANNELS = (8, 16, 32, 64)
"""Widths of the hint embedding: diffusers' (16, 32, 96, 256) would cost twice the whole UNet."""

OUTER = (
    *unet.OUTER,
    "controlnet_cond_embedding.conv_in",
    "controlnet_down_blocks",
    "controlnet_mid_block",
)
"""Modules that AdamW trains."""

DROP = 0.25
"""Captions left out: the hint alone has to say where the object is."""


def build(denoiser: nn.Module) -> nn.Module:
    """A ControlNet that begins as the UNet's own down path, with no effect yet.

    (latents (B, 4, h, w), timesteps (B,), hidden states, hint (B, 3, 8h, 8w) in 0…1) → residuals.
    """
    from diffusers import ControlNetModel
    from diffusers.models.attention_processor import AttnProcessor

    net: nn.Module = ControlNetModel.from_unet(
        denoiser, conditioning_channels=3, conditioning_embedding_out_channels=CHANNELS
    )
    net.set_attn_processor(AttnProcessor())
    return net


@torch.no_grad()
def calibrate(net: nn.Module, hint: torch.Tensor) -> None:
    """Rescale the hint embedding's convolutions to unit output variance on a batch of hints (B, 3, H, W)."""
    embedding = net.controlnet_cond_embedding
    nn.init.orthogonal_(embedding.conv_out.weight)
    state = hint
    for convolution in (embedding.conv_in, *embedding.blocks, embedding.conv_out):
        nn.init.zeros_(convolution.bias)
        convolution.weight.div_(convolution(state).std() + 1e-6)
        state = convolution(state)
        if convolution is not embedding.conv_out:
            state = nn.functional.silu(state)


def train(
    course: denoising.Course, hint: str, limit_s: float, path: Path, denoiser: nn.Module, rate: float = 0.6
) -> nn.Module:
    """Train a ControlNet for a kind of hint on the frozen `denoiser` → the averaged weights."""
    alphas = unet.scheduler().alphas_cumprod.to(course.device)
    denoiser = denoiser.to(course.device).eval().requires_grad_(False)
    stream = data.Stream(course.shards, KIND, course.seed + 77, hint)
    net = build(denoiser)
    first = stream.take(32, course.blank).hint
    assert first is not None
    calibrate(net, first)

    def loss_of(
        model: nn.Module, progress: float, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        batch = stream.take(course.batch(KIND[1]), course.blank, DROP)
        assert batch.hint is not None
        latents, control = batch.latents.to(course.device), batch.hint.to(course.device)

        def controlled(noisy: torch.Tensor, steps: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
            down, middle = model(noisy, steps, hidden, control, return_dict=False)
            output: torch.Tensor = denoiser(
                noisy,
                steps,
                hidden,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
            return output

        loss = unet.velocity_loss(controlled, alphas, latents, course.hidden(batch.ids), generator)
        return loss, len(latents)

    settings = loop.Fit(course.out, f"control {hint}", path, limit_s, course.device, course.seed, OUTER, rate)
    return loop.fit(settings, net, loss_of)


def averaged(path: Path, denoiser: nn.Module) -> nn.Module:
    """The averaged weights kept at `path`."""
    net = build(denoiser)
    net.load_state_dict(checkpoint.load(path)["average"])
    return net.eval()


def save(net: nn.Module, folder: Path) -> None:
    """Write the stock folder in half precision: config.json and diffusion_pytorch_model.safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    half = type(net).from_config(net.config)
    half.load_state_dict(net.state_dict())
    half.to("cpu", torch.float16).save_pretrained(folder)
