"""Training from an empty folder: words, autoencoder, text encoder, data, UNet in phases, decoder, export.

Every stage keeps its state in the output folder and is skipped or resumed when run again, so a training can
be cut into short runs, and two stages that do not wait for each other can run in two processes (`--stages`).
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import autoencoder, checkpoint, data, export, optim, text_encoder, tokenizer, unet

STAGES = ("words", "autoencoder", "text", "data", "unet", "decoder", "export")

SHARE = {"autoencoder": 0.09, "text": 0.015, "data": 0.12, "unet": 0.68, "decoder": 0.08}
"""Part of the budget of each stage; what remains is for starting, exporting and waiting."""


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


PHASES = (
    # Shapes first; then the broad mix too. A full decay, so that a usable model exists after this phase.
    Phase(
        "small",
        0.26,
        1.0,
        (
            Source(("shapes", 128), 1.0),
            Source(("broad", 128), 1.0, begin=0.5),
        ),
    ),
    # The same network at its native size, with small pictures in between so that it stays usable at both. Its
    # attention lies at 8 × 8 and 4 × 4 there, where the study found that shapes need it.
    Phase(
        "native",
        0.44,
        0.8,
        (
            Source(("shapes", 256), 0.6),
            Source(("broad", 256), 0.3),
            Source(("broad", 128), 0.1),
        ),
    ),
    # Once more around: outlines straighten long after shapes are right.
    Phase(
        "polish",
        0.3,
        0.6,
        (
            Source(("shapes", 256), 0.5),
            Source(("broad", 256), 0.4),
            Source(("broad", 128), 0.1),
        ),
    ),
)

BATCH = {128: 40, 256: 16}
SHARDS = {("shapes", 128): 17, ("broad", 128): 17, ("broad", 256): 17, ("shapes", 256): 14}
"""Shards (of 1,024 scenes) of each kind on a CPU; CUDA takes `CUDA_FACTOR` times as many."""
CUDA_FACTOR = 8


@dataclass(frozen=True)
class Run:
    """One training: where its files lie and on what it computes."""

    out: Path
    budget_minutes: float
    device: torch.device
    seed: int = 1

    def minutes(self, stage: str) -> float:
        """The stage's part of the budget."""
        return self.budget_minutes * SHARE[stage]

    @property
    def shards(self) -> data.Shards:
        """The folder of latents."""
        return data.Shards(self.out / "latents")


def run(settings: Run, stages: tuple[str, ...], target: Path) -> None:
    """Run the named stages in order."""
    settings.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    for stage in STAGES:
        if stage not in stages:
            continue
        started = time.monotonic()
        if stage == "export":
            export_model(settings, target)
        else:
            _STAGES[stage](settings)
        print(f"stage {stage} done in {time.monotonic() - started:.0f} s", flush=True)


def train_words(settings: Run) -> None:
    """Tokenizer."""
    if not (settings.out / "tokenizer" / "vocab.json").exists():
        tokenizer.train(settings.out / "tokenizer")


def train_autoencoder(settings: Run) -> None:
    """Both halves of the autoencoder."""
    model = autoencoder.build()
    autoencoder.train(
        model,
        settings.minutes("autoencoder"),
        settings.device,
        "both",
        settings.seed,
        settings.out / "autoencoder.safetensors",
    )


def train_text(settings: Run) -> None:
    """Text encoder on attributes; skipped when it exists."""
    folder = settings.out / "text_encoder"
    if folder.exists():
        return
    words = tokenizer.load(settings.out / "tokenizer")
    model = text_encoder.build(len(words), words.bos_token_id, words.eos_token_id)
    text_encoder.train(model, words, settings.minutes("text"), settings.device, settings.seed)
    model.save_pretrained(folder)


def make_data(settings: Run) -> None:
    """Shards of every kind, for as long as the stage's time lasts but at least two of each."""
    words = tokenizer.load(settings.out / "tokenizer")
    encoder = load_autoencoder(settings, decoder=False).encoder
    factor = CUDA_FACTOR if settings.device.type == "cuda" else 1
    limit = time.monotonic() + settings.minutes("data") * 60
    for index in range(max(SHARDS.values()) * factor):
        for kind, count in SHARDS.items():
            if index < count * factor and (index < 2 or time.monotonic() < limit):
                data.prepare(settings.shards, kind, index + 1, encoder, words, settings.device)


def train_unet(settings: Run) -> None:
    """All phases, each from the averaged weights of the one before."""
    for index, phase in enumerate(PHASES):
        _train_phase(settings, index, phase)


def train_decoder(settings: Run) -> None:
    """Fine-tune the decoder alone; needs no more than the autoencoder, so it may run beside the UNet."""
    path = settings.out / "decoder.safetensors"
    model = load_autoencoder(settings, decoder=False)
    autoencoder.train(
        model, settings.minutes("decoder"), settings.device, "decoder", settings.seed + 50, path
    )


def load_autoencoder(settings: Run, decoder: bool = True) -> nn.Module:
    """The trained autoencoder, with its fine-tuned decoder where that exists and is asked for."""
    model = autoencoder.build().to(settings.device)
    path = settings.out / "decoder.safetensors"
    if not (decoder and path.exists()):
        path = settings.out / "autoencoder.safetensors"
    model.load_state_dict(checkpoint.load(path, settings.device)["model"])
    return model.eval()


def load_unet(settings: Run) -> tuple[nn.Module, dict[str, float]]:
    """The averaged weights of the latest phase, and how far it got; fresh weights where nothing was
    trained.
    """
    model = unet.build()
    for index in reversed(range(len(PHASES))):
        path = _checkpoint(settings, index)
        if path.exists():
            state = checkpoint.load(path)
            model.load_state_dict(state["average"])
            return model.eval(), {"phase": index, "seconds": state["spent"], "samples": state["samples"]}
    return model.eval(), {"phase": 0, "seconds": 0.0, "samples": 0}


def export_model(settings: Run, target: Path) -> None:
    """Write the diffusers folder from whatever has been trained so far."""
    denoiser, progress = load_unet(settings)
    figures = settings.out / "figures.json"
    card = {
        "name": "Pocket",
        "version": export.VERSION,
        "licence": export.LICENCE,
        "native_px": 8 * int(denoiser.config.sample_size),
        "steps": 20,
        "guidance_scale": 3.0,
        "training": {"recipe": "tools/pocket", "seed": settings.seed, "unet": progress},
        "figures": json.loads(figures.read_text()) if figures.exists() else {},
    }
    export.folder(
        target,
        load_autoencoder(settings),
        text_encoder.load(settings.out / "text_encoder"),
        denoiser,
        settings.out / "tokenizer",
        card,
    )


def _checkpoint(settings: Run, index: int) -> Path:
    return settings.out / f"unet-{index}-{PHASES[index].name}.safetensors"


def _train_phase(settings: Run, index: int, phase: Phase) -> None:
    device = settings.device
    limit = settings.minutes("unet") * phase.share * 60
    state = _begin(settings, index)
    if state["done"]:
        return
    model, average, optimizers = state["model"], state["average"], state["optimizers"]
    words = tokenizer.load(settings.out / "tokenizer")
    blank = tokenizer.encode(words, [""])[0]
    text = text_encoder.load(settings.out / "text_encoder").to(device).eval().requires_grad_(False)
    alphas = unet.scheduler().alphas_cumprod
    streams: dict[data.Kind, data.Stream] = {}
    rng = np.random.default_rng([settings.seed, index, state["step"]])
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + index * 1009 + state["step"])
    started = time.monotonic() - state["spent"]
    reported = saved = time.monotonic()
    losses: list[float] = []
    while (spent := time.monotonic() - started) < limit:
        progress = spent / limit
        optim.set_rates(optimizers, phase.rate * optim.decay(progress))
        kind = _pick(phase, progress, rng)
        if kind not in streams:
            streams[kind] = data.Stream(settings.shards, kind, int(rng.integers(2**31)))
        latents, ids = streams[kind].take(BATCH[kind[1]], blank)
        with torch.no_grad():
            hidden = text(ids.to(device)).last_hidden_state
        total = unet.velocity_loss(model, alphas.to(device), latents.to(device), hidden, generator)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        state["step"] += 1
        state["samples"] += len(latents)
        _average(average, model, state["step"])
        losses.append(float(total.detach()))
        if time.monotonic() - reported > 30:
            reported = time.monotonic()
            print(
                f"unet {phase.name} {spent:5.0f} s step {state['step']} samples {state['samples']} "
                f"loss {np.mean(losses):.4f}",
                flush=True,
            )
            losses.clear()
        if time.monotonic() - saved > 120:
            saved = time.monotonic()
            _keep(settings, index, state, spent)
    state["done"] = True  # also when a later run comes with a larger budget: the decay is over
    _keep(settings, index, state, limit)


def _begin(settings: Run, index: int) -> dict[str, Any]:
    """Model, average, optimizers and counters: resumed, or begun from the phase before."""
    path = _checkpoint(settings, index)
    model = unet.build().to(settings.device)
    average = copy.deepcopy(model).requires_grad_(False)
    inner, rest = optim.split(model, unet.OUTER)
    optimizers = (optim.Muon(inner, lr=2.5e-3), torch.optim.AdamW(rest, lr=1.2e-3, weight_decay=0.0))
    state = {
        "model": model,
        "average": average,
        "optimizers": optimizers,
        "spent": 0.0,
        "step": 0,
        "samples": 0,
        "done": False,
    }
    if path.exists():
        saved = checkpoint.load(path, settings.device)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        state.update({name: saved[name] for name in ("spent", "step", "samples", "done")})
    elif index:
        saved = checkpoint.load(_checkpoint(settings, index - 1), settings.device)
        model.load_state_dict(saved["average"])
        average.load_state_dict(saved["average"])
        state["samples"] = saved["samples"]
    model.train()
    return state


def _keep(settings: Run, index: int, state: dict[str, Any], spent: float) -> None:
    checkpoint.save(
        _checkpoint(settings, index),
        {
            "model": state["model"].state_dict(),
            "average": state["average"].state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in state["optimizers"]],
            "spent": spent,
            **{name: state[name] for name in ("step", "samples", "done")},
        },
    )


def _pick(phase: Phase, progress: float, rng: np.random.Generator) -> data.Kind:
    """A kind of data for this step, by the weights of the sources that are open."""
    sources = [source for source in phase.sources if progress >= source.begin]
    weights = np.array([source.weight for source in sources])
    return sources[int(rng.choice(len(sources), p=weights / weights.sum()))].kind


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, step: int) -> None:
    """Exponential moving average of the weights, faster at the start."""
    keep = min(0.997, (1 + step) / (10 + step))
    own, fresh = list(average.parameters()), list(model.parameters())
    torch._foreach_lerp_(own, fresh, 1 - keep)


_STAGES = {
    "words": train_words,
    "autoencoder": train_autoencoder,
    "text": train_text,
    "data": make_data,
    "unet": train_unet,
    "decoder": train_decoder,
}
