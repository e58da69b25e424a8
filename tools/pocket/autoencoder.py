"""The autoencoder: diffusers' AutoencoderTiny, f8, 4 channels, and how it is trained.

Two stages. First both halves with a mild pull of every latent channel to unit variance, which the diffusion's
noise schedule assumes. Then the decoder alone on slightly noisy latents: reconstruction gains about 2 dB
while the latents, and so everything trained on them, stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import checkpoint, journal, optim, photographs, render, scenes

CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "encoder_block_out_channels": (32, 32, 32, 32),
    "decoder_block_out_channels": (32, 32, 32, 32),
    # No residual block at full resolution: it would take half of the encoder's time and measured no better.
    "num_encoder_blocks": (0, 2, 3, 3),
    "num_decoder_blocks": (4, 3, 3, 1),
}


def build() -> nn.Module:
    """A fresh AutoencoderTiny. Pictures (B, 3, H, W) in −1…1 ↔ latents (B, 4, H/8, W/8), about unit
    variance.
    """
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(**CONFIG)


def load(folder: Path) -> nn.Module:
    """The autoencoder of a Pocket folder, float32."""
    from diffusers import AutoencoderTiny

    model: nn.Module = AutoencoderTiny.from_pretrained(
        folder, torch_dtype=torch.float32, local_files_only=True
    )
    return model


def batches(seed: int, batch: int, crop_px: int) -> Iterator[torch.Tensor]:
    """Endless crops of scenes (drawn at 128 and 256 px) and of photographs → (batch, 3, crop, crop) in
    −1…1.
    """
    rng = np.random.default_rng(seed)
    while True:
        pictures = []
        for _ in range(batch):
            if rng.random() < 0.3:
                pictures.append(photographs.crop(rng, crop_px))
                continue
            size = 128 if rng.random() < 0.5 else 256
            pixels = render.picture(scenes.sample(rng, "broad"), size)
            top, left = rng.integers(0, size - crop_px + 1, 2)
            pictures.append(pixels[top : top + crop_px, left : left + crop_px])
        array = np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))
        yield torch.from_numpy(array).float() / 127.5 - 1


def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 + squared error + L1 of the image gradients, which keeps edges crisp."""
    edges = torch.zeros((), device=output.device)
    for axis in (2, 3):
        edges = edges + (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
    error = output - target
    return error.abs().mean() + error.square().mean() + edges


def psnr(output: torch.Tensor, target: torch.Tensor) -> float:
    """Mean over the batch of the peak signal-to-noise ratio in dB, pictures in −1…1."""
    error = (output.clamp(-1, 1) - target).square().mean(dim=(1, 2, 3)) / 4
    return float((-10 * torch.log10(error + 1e-8)).mean())


def train(
    model: nn.Module, limit_s: float, device: torch.device, stage: str, seed: int, path: Path, out: Path
) -> None:
    """Train for `limit_s` (stage "both" or "decoder"), log the curve to `out`, and keep the state at `path`.

    Goes on from that state where it exists: time already spent counts.
    """
    model.to(device).train()
    only_decoder = stage == "decoder"
    for param in model.encoder.parameters():
        param.requires_grad_(not only_decoder)
    ends = (
        f"encoder.layers.{len(model.encoder.layers) - 1}.",
        f"decoder.layers.{len(model.decoder.layers) - 1}.",
    )
    inner, rest = optim.split(model, ("encoder.layers.0.", "decoder.layers.0.", *ends))
    optimizers = (optim.Muon(inner, lr=2e-3), torch.optim.AdamW(rest, lr=1e-3, weight_decay=0.0))
    spent, step = _resume(path, model, optimizers, device)
    stream = batches(seed + step, 16, 96)
    held_out = next(batches(10_000 + seed, 64, 128)).to(device)
    began, reported = journal.seconds(device) - spent, spent
    while (spent := journal.seconds(device) - began) < limit_s:
        optim.set_rates(optimizers, optim.decay(spent / limit_s))
        pictures = next(stream).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            total = _step_loss(model, pictures, only_decoder)
        total.backward()
        nn.utils.clip_grad_norm_([*inner, *rest], 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        if spent - reported > 30:
            reported = spent
            quality, deviation = measure(model, held_out)
            journal.write(
                out,
                stage=f"autoencoder {stage}",
                seconds=spent,
                samples=16 * step,
                loss=float(total.detach()),
                psnr=quality,
                deviation=deviation,
            )
            _save(path, model, optimizers, spent, step)
    _save(path, model, optimizers, limit_s, step)


def _step_loss(model: nn.Module, pictures: torch.Tensor, only_decoder: bool) -> torch.Tensor:
    if only_decoder:
        with torch.no_grad():
            latents = model.encoder(pictures).float()
        # The UNet's latents are never exact: a decoder that has seen noise draws straight edges from them.
        latents = latents + 0.06 * torch.rand(
            len(latents), 1, 1, 1, device=latents.device
        ) * torch.randn_like(latents)
        return loss(model.decoder(latents).float(), pictures)
    latents = model.encoder(pictures).float()
    deviation = latents.std(dim=(0, 2, 3))
    pull = (deviation - 1).square().mean() + 0.3 * latents.mean(dim=(0, 2, 3)).square().mean()
    return loss(model.decoder(latents).float(), pictures) + 0.02 * pull


@torch.no_grad()
def measure(model: nn.Module, pictures: torch.Tensor) -> tuple[float, float]:
    """(PSNR in dB of a round trip, mean standard deviation of the latent channels)."""
    with torch.autocast(pictures.device.type, torch.bfloat16):
        latents = model.encoder(pictures)
        output = model.decoder(latents)
    return psnr(output.float(), pictures), float(latents.float().std(dim=(0, 2, 3)).mean())


def _resume(
    path: Path, model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...], device: torch.device
) -> tuple[float, int]:
    if not path.exists():
        return 0.0, 0
    state = checkpoint.load(path, device)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return float(state["spent"]), int(state["step"])


def _save(
    path: Path, model: nn.Module, optimizers: tuple[torch.optim.Optimizer, ...], spent: float, step: int
) -> None:
    states = [optimizer.state_dict() for optimizer in optimizers]
    checkpoint.save(path, {"model": model.state_dict(), "optimizers": states, "spent": spent, "step": step})
