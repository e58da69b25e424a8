"""Checkpoints bring a training back exactly."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tools.pocket import checkpoint


def test_a_training_goes_on_as_if_it_had_not_been_cut(tmp_path: Path) -> None:
    def training() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(3)
        model = nn.Linear(4, 4)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1, betas=(0.8, 0.9))

    def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        model(torch.arange(8.0).reshape(2, 4)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    model, optimizer = training()
    train(model, optimizer)
    path = tmp_path / "unet.safetensors"
    state = {"model": model.state_dict(), "optimizers": [optimizer.state_dict()], "spent": 1.5, "done": False}
    checkpoint.save(path, state)
    train(model, optimizer)

    resumed, its_optimizer = training()
    kept = checkpoint.load(path)
    resumed.load_state_dict(kept["model"])
    its_optimizer.load_state_dict(kept["optimizers"][0])
    train(resumed, its_optimizer)
    assert kept["spent"] == 1.5
    assert kept["done"] is False
    assert torch.equal(resumed.weight, model.weight)


def test_tensors_that_share_memory_are_kept_apart(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    checkpoint.save(tmp_path / "c.safetensors", {"whole": shared, "part": shared[2:4], "same": shared})
    kept = checkpoint.load(tmp_path / "c.safetensors")
    assert kept["part"].tolist() == [2.0, 3.0]
    assert kept["same"].tolist() == kept["whole"].tolist()
