"""Training data of the UNet: scenes rendered, encoded once, and kept as shards of latents and token ids.

A shard is `<mix>-<size>-<index>.npz` with `latents` (N, 4, size/8, size/8) float16 and `ids` (N, 32) int16,
and depends on nothing but its name and the autoencoder, so shards can be made by several processes and in any
order.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import render, scenes, tokenizer

SHARD = 1024
Kind = tuple[str, int]
"""(mix, size in pixels)."""


@dataclass(frozen=True)
class Shards:
    """Where the shards lie."""

    folder: Path

    def path(self, kind: Kind, index: int) -> Path:
        """The file of one shard."""
        return self.folder / f"{kind[0]}-{kind[1]}-{index:03d}.npz"

    def ready(self, kind: Kind) -> list[Path]:
        """The finished shards of a kind, in order."""
        return sorted(self.folder.glob(f"{kind[0]}-{kind[1]}-*.npz"))


def prepare(shards: Shards, kind: Kind, count: int, encoder: nn.Module, words, device: torch.device) -> None:
    """Make the first `count` shards of a kind; those that exist are kept."""
    shards.folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = shards.path(kind, index)
        if path.exists():
            continue
        latents, ids = make(kind, index, encoder, words, device)
        temporary = path.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, latents=latents, ids=ids)
        temporary.replace(path)
        print(f"data {path.name} latent sigma {latents.astype(np.float32).std():.3f}", flush=True)


@torch.no_grad()
def make(
    kind: Kind, index: int, encoder: nn.Module, words, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """One shard: (latents (N, 4, h, w) float16, token ids (N, 32) int16)."""
    mix, size_px = kind
    rng = np.random.default_rng([zlib.crc32(mix.encode()), size_px, index])
    drawn = [scenes.sample(rng, mix) for _ in range(SHARD)]
    ids = tokenizer.encode(words, [scene.caption for scene in drawn]).astype(np.int16)
    latents = []
    # Small batches keep every activation below glibc's mapping threshold: larger ones spend a quarter in page
    # faults.
    batch = 64 if device.type == "cuda" else max(1, 8 * 128**2 // size_px**2)
    for start in range(0, SHARD, batch):
        pixels = np.stack([render.picture(scene, size_px) for scene in drawn[start : start + batch]])
        pictures = (
            torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device).float() / 127.5
            - 1
        )
        with torch.autocast(device.type, torch.bfloat16):
            latents.append(encoder(pictures).half().cpu().numpy())
    return np.concatenate(latents), ids


class Stream:
    """Endless batches of one kind, shard after shard in shuffled order; picks up shards as they are made."""

    def __init__(self, shards: Shards, kind: Kind, seed: int) -> None:
        self.shards, self.kind = shards, kind
        self.rng = np.random.default_rng(seed)
        self.loaded: dict[Path, tuple[np.ndarray, np.ndarray]] = {}
        self.queue: list[tuple[Path, int]] = []

    def take(self, count: int, blank: np.ndarray, drop: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
        """(latents (count, 4, h, w) float32, ids (count, 32) int64); captions dropped to `blank` at rate
        `drop`.
        """
        while len(self.queue) < count:
            self._refill()
        picked, self.queue = self.queue[:count], self.queue[count:]
        latents = np.stack([self.loaded[path][0][i] for path, i in picked]).astype(np.float32)
        ids = np.stack([self.loaded[path][1][i] for path, i in picked]).astype(np.int64)
        ids[self.rng.random(count) < drop] = blank
        return torch.from_numpy(latents), torch.from_numpy(ids)

    def _refill(self) -> None:
        paths = self.shards.ready(self.kind)
        if not paths:
            raise FileNotFoundError(
                f"No {self.kind} shards in {self.shards.folder}: run the data stage first."
            )
        for path in paths:
            if path not in self.loaded:
                with np.load(path) as file:
                    self.loaded[path] = (file["latents"], file["ids"])
        everything = [(path, i) for path in paths for i in range(SHARD)]
        self.queue += [everything[i] for i in self.rng.permutation(len(everything))]
