"""The one training loop: Muon and AdamW, a full learning-rate decay, averaged weights, resumable.

The UNet, the ControlNets and the LoRA train in it; each brings its model and a function that gives a loss.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from . import checkpoint, journal, optim

REPORT_S, SAVE_S = 30.0, 180.0

Loss = Callable[[nn.Module, float, np.random.Generator, torch.Generator], tuple[torch.Tensor, int]]
"""(model, progress 0–1, random numbers for the data, for the noise) → (loss to minimise, samples it saw)."""


@dataclass(frozen=True)
class Fit:
    """One training."""

    out: Path
    """Folder of the log."""
    stage: str
    """Its name in the log."""
    path: Path
    """Where its state is kept."""
    limit_s: float
    """Its time: of the processor on a CPU, by the clock on CUDA."""
    device: torch.device
    seed: int
    outer: tuple[str, ...] = ()
    """Names of the modules that AdamW trains; Muon takes the other matrices."""
    rate: float = 1.0
    """Peak learning rate, as a factor of 2.5e-3 (Muon) and 1.2e-3 (AdamW)."""
    spare_core: Callable[[], bool] = lambda: False
    """Whether a second core is idle now. Two threads train 1.3 to 1.6 times as fast as one then (80 samples
    of 128 px), and no faster when something else wants that core."""


def fit(settings: Fit, model: nn.Module, loss_of: Loss) -> nn.Module:
    """Train `model`, from the state kept at `settings.path` where that exists → the averaged weights.

    Only parameters that require a gradient are trained.
    """
    device = settings.device
    state = _begin(settings, model)
    optimizers, average = state["optimizers"], state["average"]
    rng = np.random.default_rng([settings.seed, state["step"]])
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + state["step"])
    began = journal.seconds(device) - state["spent"]
    reported = saved = state["spent"]
    losses: list[torch.Tensor] = []
    trained = [param for param in model.parameters() if param.requires_grad]
    followers = [
        (slow, fast)
        for slow, fast in zip(average.parameters(), model.parameters(), strict=True)
        if fast.requires_grad
    ]
    spent = state["spent"]
    try:
        while not state["done"] and (spent := journal.seconds(device) - began) < settings.limit_s:
            _take_cores(settings)
            progress = spent / settings.limit_s
            factor = settings.rate * optim.decay(progress)
            optim.set_rates(optimizers, factor)
            loss, count = loss_of(model, progress, rng, generator)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            state["step"] += 1
            state["samples"] += count
            _follow(followers, state["step"])
            losses.append(loss.detach())
            if spent - reported > REPORT_S:
                reported = spent
                mean = float(torch.stack(losses).mean())
                losses.clear()
                journal.write(
                    settings.out,
                    stage=settings.stage,
                    seconds=spent,
                    step=state["step"],
                    samples=state["samples"],
                    rate=factor,
                    loss=mean,
                )
            if spent - saved > SAVE_S:
                saved = spent
                _keep(settings.path, model, state, spent)
    except KeyboardInterrupt:
        _keep(settings.path, model, state, spent)
        raise
    finally:
        if device.type == "cpu":
            torch.set_num_threads(1)
    if not state["done"]:
        state["done"] = True  # also when a later run comes with a larger budget: the decay is over
        _keep(settings.path, model, state, settings.limit_s)
    result: nn.Module = average
    return result.eval()


def _begin(settings: Fit, model: nn.Module) -> dict[str, Any]:
    """Average, optimizers and counters; the model itself is brought to where it was."""
    model.to(settings.device).train()
    average = copy.deepcopy(model).requires_grad_(False)
    inner, rest = optim.split(model, settings.outer)
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, lr=1.2e-3, weight_decay=0.0)]
    if inner:
        optimizers.insert(0, optim.Muon(inner, lr=2.5e-3))
    state = {
        "average": average,
        "optimizers": optimizers,
        "spent": 0.0,
        "step": 0,
        "samples": 0,
        "done": False,
    }
    if settings.path.exists():
        saved = checkpoint.load(settings.path, settings.device)
        model.load_state_dict(saved["model"] or saved["average"])
        average.load_state_dict(saved["average"])
        # A state that was packed for the way carries no momentum: it builds up again within a few steps.
        for optimizer, kept in zip(optimizers, saved["optimizers"], strict=False):
            optimizer.load_state_dict(kept)
        state.update({name: saved[name] for name in ("spent", "step", "samples", "done")})
    return state


def _take_cores(settings: Fit) -> None:
    if settings.device.type == "cpu":
        threads = 2 if settings.spare_core() else 1
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)


def _keep(path: Path, model: nn.Module, state: dict[str, Any], spent: float) -> None:
    checkpoint.save(
        path,
        {
            "model": model.state_dict(),
            "average": state["average"].state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in state["optimizers"]],
            "spent": spent,
            **{name: state[name] for name in ("step", "samples", "done")},
        },
    )


@torch.no_grad()
def _follow(followers: list[tuple[torch.Tensor, torch.Tensor]], step: int) -> None:
    """Exponential moving average of the weights, faster at the start."""
    keep = min(0.997, (1 + step) / (10 + step))
    torch._foreach_lerp_([slow for slow, _ in followers], [fast for _, fast in followers], 1 - keep)
