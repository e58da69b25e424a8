"""The training's clock and its log, `log.jsonl`: a line per report, from which the loss curves are drawn."""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch


def seconds(device: torch.device) -> float:
    """The clock that budgets are counted in.

    On a CPU the processor time of this thread: a training that was paused, or that shares its core, loses
    nothing of its budget. Threads that help it are not counted. On CUDA the wall clock.
    """
    return time.monotonic() if device.type == "cuda" else time.thread_time()


def write(out: Path, **entry: float | str) -> None:
    """Append an entry to `out`/log.jsonl and print it: `stage`, `seconds`, `samples`, `loss` and the like."""
    rounded = {
        key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in entry.items()
    }
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(rounded) + "\n")
    print(" ".join(f"{key} {value}" for key, value in rounded.items()), flush=True)
