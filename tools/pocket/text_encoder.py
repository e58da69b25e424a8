"""The text encoder: a two-layer CLIPTextModel, taught to read attributes out of captions, then frozen.

Taught before the UNet sees it, because a UNet that must learn what words mean from noise spends most of its
time on that: with a frozen, already attentive encoder shapes came out five times sooner in the study.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import journal, scenes, tokenizer

WIDTH = 128

KEEP = 100.0
"""Weight of the squared difference to the teacher's hidden states."""

_NEW = {"material", "skin", "icon", "house", "boat", "tree"}
"""Attributes that the first version's captions did not have."""


def build(vocabulary: int, start: int, end: int) -> nn.Module:
    """A fresh CLIPTextModel: token ids (B, 32) → hidden states (B, 32, 128)."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.LENGTH,
            bos_token_id=start,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


class Reader(nn.Module):
    """One linear classifier per attribute, on the mean of the hidden states: (B, 32, 128) → {name: (B,
    classes)}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {name.replace(" ", "_"): nn.Linear(WIDTH, classes) for name, classes in scenes.ATTRIBUTES.items()}
        )

    def forward(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = hidden.mean(dim=1)
        return {name: head(pooled) for name, head in self.heads.items()}


def train(
    model: nn.Module,
    words,
    limit_s: float,
    device: torch.device,
    seed: int,
    out: Path,
    teacher: nn.Module | None = None,
) -> float:
    """Teach the encoder attributes for `limit_s`; returns the share of 1,000 fresh captions read without an
    error.

    With a `teacher`, an earlier encoder, the hidden states of the captions that the teacher knows stay as
    they are, so that a UNet trained with it goes on with the new encoder from the first step.
    """
    model.to(device).train()
    reader = Reader().to(device)
    rate = 1e-3 if teacher else 2e-3
    optimizer = torch.optim.AdamW([*model.parameters(), *reader.parameters()], lr=rate, weight_decay=0.01)
    rng = np.random.default_rng(seed)
    began = reported = journal.seconds(device)
    samples = 0
    while (spent := journal.seconds(device) - began) < limit_s:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, spent / 3) * (1 - 0.98 * spent / limit_s)
        drawn, ids, told = _captions(rng, words, 64, device)
        hidden = model(ids).last_hidden_state
        scores = reader(hidden)
        total = sum(
            nn.functional.cross_entropy(logits, told[:, i]) for i, logits in enumerate(scores.values())
        )
        kept = torch.zeros(())
        if teacher:
            known = torch.tensor([not _NEW & dict(scene.told).keys() for scene in drawn], device=device)
            with torch.no_grad():
                before = teacher(ids).last_hidden_state
            kept = (hidden - before).square().mean(dim=(1, 2))[known].mean()
            total = total + KEEP * kept
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        samples += len(drawn)
        if journal.seconds(device) - reported > 15:
            reported = journal.seconds(device)
            journal.write(
                out, stage="text", seconds=spent, samples=samples, loss=float(total), changed=float(kept)
            )
    model.eval().requires_grad_(False)
    accuracy = read_accuracy(model, reader, words, device, seed + 1)
    journal.write(out, stage="text", samples=samples, read=accuracy)
    return accuracy


@torch.no_grad()
def read_accuracy(model: nn.Module, reader: Reader, words, device: torch.device, seed: int) -> float:
    """Share of 1,000 fresh captions of which every attribute is read right."""
    _, ids, told = _captions(np.random.default_rng(seed), words, 1000, device)
    scores = reader(model(ids).last_hidden_state)
    right = torch.stack([logits.argmax(1) == told[:, i] for i, logits in enumerate(scores.values())])
    return float(right.all(dim=0).float().mean())


def _captions(rng: np.random.Generator, words, count: int, device: torch.device):
    drawn = [scenes.sample(rng, "broad" if rng.random() < 0.6 else "figures") for _ in range(count)]
    ids = tokenizer.encode(words, [scene.caption for scene in drawn])
    told = np.stack([scenes.told_vector(scene) for scene in drawn])
    return drawn, torch.from_numpy(ids).to(device), torch.from_numpy(told).to(device)


def load(folder: Path) -> nn.Module:
    """The trained encoder of a Pocket folder, float32."""
    from transformers import CLIPTextModel

    return CLIPTextModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
