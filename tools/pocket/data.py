"""Training data of the UNet: scenes rendered, encoded once, and kept as shards of latents and token ids.

A shard is `<mix>-<size>-<index>.npz` with `latents` (N, 4, size/8, size/8) float16 and `ids` (N, 32) int16;
those of the mix "control" also have `scribble` (N, size, size) and `depth` (N, size/2, size/2) uint8. A shard
depends on nothing but its name, the autoencoder and the icons, so shards can be made by several processes and
in any order.
"""

from __future__ import annotations

import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import hints, icons, journal, render, scenes, styles, tokenizer

SHARD = 1024
Kind = tuple[str, int]
"""(mix, size in pixels)."""

HINTS = ("scribble", "depth")
"""Kinds of control image."""


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


@dataclass(frozen=True)
class Batch:
    """Samples of one kind."""

    latents: torch.Tensor
    """(N, 4, size/8, size/8) float32."""
    ids: torch.Tensor
    """(N, 32) int64."""
    hint: torch.Tensor | None
    """(N, 3, size, size) float32 in 0…1, of the stream's control kind."""


def prepare(
    shards: Shards,
    jobs: Sequence[tuple[Kind, int]],
    needed: int,
    limit_s: float,
    encoder: nn.Module,
    words,
    device: torch.device,
    drawings: Path,
) -> None:
    """Make the shards (kind, index) in order, until `limit_s` is over but the first `needed` in any case.
    Those that exist are kept. `drawings` is the icons' folder.

    On CUDA all of the machine's cores paint and the device encodes; on a CPU this process does both.
    """
    shards.folder.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not shards.path(*job).exists()]
    ends = journal.seconds(device) + limit_s
    with _painter(device, drawings) as map_over:
        painted = map_over(_paint_job, missing)
        for job in missing:
            if job not in jobs[:needed] and journal.seconds(device) > ends:
                break
            _store(shards.path(*job), next(painted), encoder, words, device)


@contextmanager
def _painter(device: torch.device, drawings: Path) -> Iterator[Callable[..., Iterator[Painted]]]:
    """A `map` that paints: lazily in this process, or ahead in many where a GPU encodes."""
    if device.type != "cuda":
        yield map
        return
    workers = max(1, (os.cpu_count() or 2) - 1)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=icons.use, initargs=(drawings,))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class Painted:
    """One shard before it is encoded."""

    captions: list[str]
    pixels: np.ndarray
    """(N, size, size, 3) sRGB uint8."""
    hints: dict[str, np.ndarray]


def _paint_job(job: tuple[Kind, int]) -> Painted:
    return paint(*job)


def paint(kind: Kind, index: int) -> Painted:
    """Draw the scenes of one shard and their control images."""
    mix, size_px = kind
    rng = np.random.default_rng([zlib.crc32(mix.encode()), size_px, index])
    drawn = [scenes.sample(rng, mix) for _ in range(SHARD)]
    pixels = np.stack([render.picture(scene, size_px) for scene in drawn])
    if mix in styles.STYLES:
        pixels = np.stack([styles.STYLES[mix](picture) for picture in pixels])
    made = {}
    if mix == "control":
        made["scribble"] = np.stack(
            [hints.scribble(scene, seen, rng) for scene, seen in zip(drawn, pixels, strict=True)]
        )
        made["depth"] = np.stack([hints.depth(scene, size_px // 2) for scene in drawn])
    return Painted([scene.caption for scene in drawn], pixels, made)


@torch.no_grad()
def encode(painted: Painted, encoder: nn.Module, words, device: torch.device) -> dict[str, np.ndarray]:
    """The arrays of one shard."""
    latents = []
    # Small batches keep every activation below glibc's mapping threshold: larger ones spend a quarter in page
    # faults.
    batch = 64 if device.type == "cuda" else max(1, 8 * 128**2 // painted.pixels.shape[1] ** 2)
    for start in range(0, len(painted.pixels), batch):
        part = np.ascontiguousarray(painted.pixels[start : start + batch].transpose(0, 3, 1, 2))
        pictures = torch.from_numpy(part).to(device).float() / 127.5 - 1
        with torch.autocast(device.type, torch.bfloat16):
            latents.append(encoder(pictures).half().cpu().numpy())
    ids = tokenizer.encode(words, painted.captions).astype(np.int16)
    return {"latents": np.concatenate(latents), "ids": ids, **painted.hints}


def _store(path: Path, painted: Painted, encoder: nn.Module, words, device: torch.device) -> None:
    arrays = encode(painted, encoder, words, device)
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        (np.savez_compressed if painted.hints else np.savez)(file, **arrays)
    temporary.replace(path)
    print(f"data {path.name} latent sigma {arrays['latents'].astype(np.float32).std():.3f}", flush=True)


class Stream:
    """Endless batches of one kind, shard after shard in shuffled order; picks up shards as they are made.

    `hint` is the kind of control image that comes along, if any.
    """

    def __init__(self, shards: Shards, kind: Kind, seed: int, hint: str | None = None) -> None:
        self.shards, self.kind, self.hint = shards, kind, hint
        self.rng = np.random.default_rng(seed)
        self.loaded: dict[Path, dict[str, np.ndarray]] = {}
        self.queue: list[tuple[Path, int]] = []

    def take(self, count: int, blank: np.ndarray, drop: float = 0.1) -> Batch:
        """The next `count` samples; captions replaced by `blank` at rate `drop`."""
        while len(self.queue) < count:
            self._refill()
        picked, self.queue = self.queue[:count], self.queue[count:]
        latents = np.stack([self.loaded[path]["latents"][i] for path, i in picked]).astype(np.float32)
        ids = np.stack([self.loaded[path]["ids"][i] for path, i in picked]).astype(np.int64)
        ids[self.rng.random(count) < drop] = blank
        hint = None
        if self.hint:
            gray = torch.from_numpy(np.stack([self.loaded[path][self.hint][i] for path, i in picked]))
            size = (self.kind[1], self.kind[1])
            hint = nn.functional.interpolate(gray[:, None].float() / 255, size, mode="bilinear")
            hint = hint.expand(-1, 3, -1, -1)
        return Batch(torch.from_numpy(latents), torch.from_numpy(ids), hint)

    def _refill(self) -> None:
        paths = self.shards.ready(self.kind)
        if not paths:
            raise FileNotFoundError(
                f"No {self.kind} shards in {self.shards.folder}: run the data stage first."
            )
        wanted = ("latents", "ids", *([self.hint] if self.hint else []))
        for path in paths:
            if path not in self.loaded:
                with np.load(path) as file:
                    self.loaded[path] = {name: file[name] for name in wanted}
        everything = [(path, i) for path in paths for i in range(SHARD)]
        self.queue += [everything[i] for i in self.rng.permutation(len(everything))]
