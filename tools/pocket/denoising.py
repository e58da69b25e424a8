"""Training the UNet: phases of a full learning-rate decay each, over a mixture of shards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import checkpoint, data, loop, unet

BATCH = {128: 80, 256: 32}
"""Samples of a step on a CPU, by the pictures' size. Muon's fixed cost of a step wants them large."""
CUDA_FACTOR = 8


@dataclass(frozen=True)
class Source:
    """A kind of data, its weight among the sources that are open, and the progress (0–1) at which it
    opens.
    """

    kind: data.Kind
    weight: float
    begin: float = 0.0


@dataclass(frozen=True)
class Phase:
    """One run of the UNet with a full learning-rate decay."""

    name: str
    share: float
    """Part of the UNet's time."""
    rate: float
    """Peak learning rate, as a factor of the base rates."""
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Course:
    """What every training on shards shares."""

    out: Path
    shards: data.Shards
    text: nn.Module
    """The frozen text encoder."""
    blank: np.ndarray
    """Token ids of the empty caption, (32,)."""
    device: torch.device
    seed: int
    spare_core: Callable[[], bool] = lambda: False
    """See `loop.Fit`."""

    def batch(self, size_px: int) -> int:
        """Samples of a step."""
        return BATCH[size_px] * (CUDA_FACTOR if self.device.type == "cuda" else 1)

    @torch.no_grad()
    def hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states of token ids (B, 32) → (B, 32, 128)."""
        states: torch.Tensor = self.text(ids.to(self.device)).last_hidden_state
        return states


def train(course: Course, phase: Phase, limit_s: float, path: Path, model: nn.Module) -> nn.Module:
    """Train one phase of the UNet for `limit_s`, keeping its state at `path` → the averaged weights."""
    alphas = unet.scheduler().alphas_cumprod.to(course.device)
    streams: dict[data.Kind, data.Stream] = {}

    def loss_of(
        denoiser: nn.Module, progress: float, rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, int]:
        kind = pick(phase, progress, rng)
        if kind not in streams:
            streams[kind] = data.Stream(course.shards, kind, int(rng.integers(2**31)))
        batch = streams[kind].take(course.batch(kind[1]), course.blank)
        latents = batch.latents.to(course.device)

        def predict(noisy: torch.Tensor, steps: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = denoiser(noisy, steps, hidden).sample
            return output

        loss = unet.velocity_loss(predict, alphas, latents, course.hidden(batch.ids), generator)
        return loss, len(latents)

    settings = loop.Fit(
        course.out,
        f"unet {phase.name}",
        path,
        limit_s,
        course.device,
        course.seed,
        unet.OUTER,
        phase.rate,
        course.spare_core,
    )
    return loop.fit(settings, model, loss_of)


def start(folder: Path) -> nn.Module:
    """The UNet of a Pocket folder, float32."""
    from diffusers import UNet2DConditionModel

    kept = UNet2DConditionModel.from_pretrained(
        folder / "unet", torch_dtype=torch.float32, local_files_only=True
    )
    model = unet.build()
    model.load_state_dict(kept.state_dict())
    return model


def averaged(path: Path, model: nn.Module) -> tuple[nn.Module, dict[str, float]]:
    """(`model` with the averaged weights kept at `path`, {"seconds", "samples"} spent on them)."""
    saved = checkpoint.load(path)
    model.load_state_dict(saved["average"])
    return model.eval(), {"seconds": saved["spent"], "samples": saved["samples"]}


def pick(phase: Phase, progress: float, rng: np.random.Generator) -> data.Kind:
    """A kind of data for this step, by the weights of the sources that are open."""
    sources = [source for source in phase.sources if progress >= source.begin]
    weights = np.array([source.weight for source in sources])
    return sources[int(rng.choice(len(sources), p=weights / weights.sum()))].kind
