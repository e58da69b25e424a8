"""How fast live frames are on this machine: our loop, a stream batch, and stock `pipe()`, by turns.

    python tools/gpu/bench.py                 on a CUDA machine, under ten minutes; JSON to $OUT/live.json
    python tools/gpu/bench.py --tiny          tiny models, wherever torch runs, in a minute
    python tools/gpu/bench.py --only sd15-512-1

Needs torch, diffusers and transformers, and nothing else that Impasto stands on.

Models have the sizes of the real ones and random weights: nothing is downloaded, and what is painted is
noise. A frame begins as a uint8 picture in main memory and ends as one; it is sampled as LCM does, over a
picture at strength 0.6, without guidance, with the tiny autoencoder where nothing else is said.

* eager, graphed, compiled: `impasto_server.engine.frame_loop`, the loop of the server; its UNet compiled, its
  segments as CUDA graphs. On the CPU: eager, and packed (`engine.packed`).
* stream batch: how StreamDiffusion (Kodaira et al. 2023) works, made anew from its description: the steps of
  successive frames are one batch, so a frame comes out as many calls after it went in as it has steps.
* stock: `StableDiffusion(XL)Img2ImgPipeline.__call__` with embedded prompts.

All contenders of a case share one UNet and take turns, a few frames each, until the case's share of the time
is over. Latency is from a picture to its own result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import CASES, COMPILED, ON_CPU, ON_CUDA, OPTIONAL, TINY_CASES, Bench, Case, Frame, prepare

TURN = 4  # frames of a contender before it is another one's turn
WARM_UP = 8


@dataclass(eq=False)
class Contender:
    """calls_s: one for each frame. peak_mib: of the device's memory, beyond what stood there before."""

    name: str
    frame: Frame
    delay: int  # calls from a picture to its own result
    calls_s: list[float] = field(default_factory=list)
    peak_mib: float = 0.0

    def summary(self) -> dict[str, float]:
        calls = np.sort(np.array(self.calls_s)) * 1000.0
        p50, p95 = (float(np.percentile(calls, q)) for q in (50, 95))
        return {
            "frames": len(calls),
            "frames_per_s": 1000.0 / p50,
            "latency_p50_ms": p50 * self.delay,
            "latency_p95_ms": p95 * self.delay,
            "peak_mib": self.peak_mib,
        }


def enter(name: str, make: Callable[[Bench], Frame], bench: Bench, pictures: list[np.ndarray]) -> Contender:
    """Made and warmed up: kernels chosen, graphs captured."""
    cuda = bench.device.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    stood = torch.cuda.memory_allocated() if cuda else 0
    made = Contender(name, make(bench), bench.case.steps if name == "stream batch" else 1)
    for number in range(max(WARM_UP, bench.case.steps + 4) if cuda else 1):
        made.frame(pictures[number % len(pictures)])
    if cuda:
        made.peak_mib = (torch.cuda.max_memory_allocated() - stood) / 2**20
    return made


def measure(bench: Bench, until_s: float) -> dict[str, dict[str, float] | str]:
    chance = np.random.default_rng(0)
    side = bench.case.side_px
    pictures = [chance.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(TURN)]
    entered, out = [], {}
    for name, make in (ON_CUDA if bench.device.type == "cuda" else ON_CPU).items():
        if name == "compiled" and bench.case.name not in COMPILED:
            continue
        if name in OPTIONAL and time.monotonic() > until_s:
            out[name] = "no time left"
            continue
        try:
            entered.append(enter(name, make, bench, pictures))
        except (RuntimeError, MemoryError) as error:  # too large for this device, or no compiler on it
            out[name] = f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    turns = 0
    while entered and (turns < 1 or time.monotonic() < until_s):
        turns += 1
        for contender in entered:
            for picture in pictures:
                begin = time.perf_counter()
                contender.frame(picture)
                contender.calls_s.append(time.perf_counter() - begin)
    return {**{one.name: one.summary() for one in entered}, **out}


def ratios(found: Mapping[str, Any]) -> dict[str, float]:
    """How many times as many frames, and how many times sooner, the best of ours is than the others."""
    ours = [found[name] for name in ("graphed", "compiled", "packed") if isinstance(found.get(name), dict)]
    if not ours:
        return {}
    best = min(ours, key=lambda one: one["latency_p50_ms"])
    rivals = {name: found[name] for name in ("stream batch", "stock") if isinstance(found.get(name), dict)}
    made = {}
    for name, other in rivals.items():
        made[f"frames against {name}"] = best["frames_per_s"] / other["frames_per_s"]
        made[f"latency against {name}"] = other["latency_p50_ms"] / best["latency_p50_ms"]
    return made


def table(case: Case, found: Mapping[str, Any], compared: Mapping[str, float]) -> str:
    lines = [f"\n{case.model}, {case.side_px}², {case.steps} step{'s' * (case.steps > 1)}"]
    lines.append(f"  {'':<26}{'frames/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'MiB':>8}{'n':>7}")
    for name, one in found.items():
        if isinstance(one, str):
            lines.append(f"  {name:<26}{one}")
            continue
        lines.append(
            f"  {name:<26}{one['frames_per_s']:>9.1f}{one['latency_p50_ms']:>9.2f}"
            f"{one['latency_p95_ms']:>9.2f}{one['peak_mib']:>8.0f}{one['frames']:>7}"
        )
    lines += [f"  {name:<26}{value:>9.2f}×" for name, value in compared.items()]
    return "\n".join(lines)


@contextmanager
def settings(device: torch.device) -> Iterator[None]:
    from diffusers.utils import logging

    logging.set_verbosity_error()
    torch.backends.cudnn.benchmark = device.type == "cuda"
    yield
    torch.backends.cudnn.benchmark = False


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=0.0, help="default: 480, with --tiny 30")
    parser.add_argument("--only", action="append", default=[], metavar="MODEL-SIDE-STEPS")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args(arguments)
    device = torch.device("cpu" if chosen.tiny else chosen.device)
    cases = TINY_CASES if chosen.tiny else CASES
    if chosen.only:
        cases = tuple(case for case in cases if case.name in chosen.only)
    seconds = chosen.seconds or (30.0 if chosen.tiny else 480.0)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    report: dict[str, Any] = {"device": name, "torch": torch.__version__, "cases": {}}
    print(f"{name}, torch {torch.__version__}, {seconds:.0f} s for {len(cases)} cases")
    with settings(device):
        begun = time.monotonic()
        for number, case in enumerate(cases):
            left_s = seconds - (time.monotonic() - begun)
            until_s = time.monotonic() + left_s * case.share / sum(one.share for one in cases[number:])
            if number and left_s <= 0.0:
                report["cases"][case.name] = {"skipped": "no time left"}
                continue
            bench = prepare(case, device, chosen.tiny)
            found = measure(bench, until_s)
            compared = ratios(found)
            report["cases"][case.name] = {**found, "ratios": compared}
            print(table(case, found, compared), flush=True)
            del bench
            if device.type == "cuda":
                torch.cuda.empty_cache()
    if os.environ.get("OUT"):
        (Path(os.environ["OUT"]) / "live.json").write_text(json.dumps(report, indent=1))
    return report


if __name__ == "__main__":
    main()
