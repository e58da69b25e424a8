"""What the card says of the model besides its figures: parts and sizes, words, data, how training went."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tools.pocket import icons, landscapes, materials, photographs
from tools.pocket.scene import Scene
from tools.pocket.words import (
    COLOURS,
    EXTRAS,
    GROUNDS,
    ICONS,
    MATERIALS,
    PLACES,
    SHAPES,
    SIZES,
    TIMES,
)

from .pipelines import Files

PARTS = {"UNet": "unet", "autoencoder": "vae", "text encoder": "text_encoder"}


def model(files: Files) -> dict[str, Any]:
    """Parts with their parameters and bytes, and the defaults."""
    card = json.loads((files.weights / "pocket.json").read_text())
    parts = {name: _size(files.weights / folder) for name, folder in PARTS.items()}
    for kind in ("scribble", "depth"):
        if (files.controls / kind).exists():
            parts[f"ControlNet, {kind}"] = _size(files.controls / kind)
    if files.lora and files.lora.exists():
        parts[f"style LoRA, {files.lora.stem}"] = _size(files.lora)
    unet = json.loads((files.weights / "unet" / "config.json").read_text())
    sampler = json.loads((files.weights / "scheduler" / "scheduler_config.json").read_text())
    return {
        "version": card.get("version", ""),
        "native_px": card.get("native_px"),
        "steps": card.get("steps"),
        "guidance": card.get("guidance_scale"),
        "licence": card.get("licence"),
        "parts": parts,
        "unet_channels": unet["block_out_channels"],
        "sampler": sampler["_class_name"],
        "prediction": sampler["prediction_type"],
    }


def _size(place: Path) -> dict[str, int]:
    """Parameters and bytes of the safetensors files of a folder, or of one file."""
    from safetensors import safe_open

    files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    parameters = 0
    for file in files:
        with safe_open(file, "np") as tensors:
            for name in tensors.keys():  # noqa: SIM118  not a dictionary
                parameters += int(np.prod(tensors.get_slice(name).get_shape()))
    return {"parameters": parameters, "bytes": sum(file.stat().st_size for file in files)}


def words() -> dict[str, list[str]]:
    """The vocabulary by kind."""
    return {
        "colours": list(COLOURS),
        "shapes": list(SHAPES),
        "sizes": list(SIZES),
        "places": list(PLACES),
        "materials": list(MATERIALS),
        "grounds": list(GROUNDS),
        "times": list(TIMES),
        "extras": list(EXTRAS),
        "objects": list(ICONS),
    }


def data() -> dict[str, dict[str, str]]:
    """Where pictures that were not drawn here come from, with their licences."""
    return {
        "photographs": dict(photographs.LICENCES),
        "icons": {
            f"{package}{'' if name in icons.TRAINED else ' (judge only)'}": licence
            for name, (package, licence) in icons.SETS.items()
        },
    }


def software() -> dict[str, str]:
    """What the figures were measured with."""
    names = ("torch", "diffusers", "transformers")
    return {**{name: version(name) for name in names}, "machine": platform.machine()}


def training(folder: Path, points: int = 120) -> list[dict[str, Any]]:
    """The loss curves of the training's diary: for each stage seconds, samples and loss, at most `points`
    each.
    """
    stages: dict[str, list[dict[str, Any]]] = {}
    for line in (folder / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "loss" in entry:
            stages.setdefault(str(entry["stage"]), []).append(entry)
    curves = []
    for stage, entries in stages.items():
        every = max(1, -(-len(entries) // points))
        blocks = [entries[start : start + every] for start in range(0, len(entries), every)]
        curves.append(
            {
                "stage": stage,
                "seconds": [round(float(block[-1]["seconds"])) for block in blocks],
                "loss": [round(float(np.mean([each["loss"] for each in block])), 4) for block in blocks],
                "samples": int(entries[-1].get("samples", 0)),
            }
        )
    return curves


def looked_at(seed: int = 1) -> list[Scene]:
    """Landscapes of every ground and hour, and materials, for a sheet that is looked at."""
    rng = np.random.default_rng([seed, 109])
    found: dict[tuple[str, str], Scene] = {}
    while len(found) < len(GROUNDS) * len(TIMES):
        scene = landscapes.sample(rng)
        found.setdefault((scene.ground, scene.time), scene)
    made = [materials.sample(rng) for _ in range(17)]
    return [*found.values(), *made]


TERAFLOPS = (50, 100)
"""What a data-centre GPU sustains in bf16 on networks of this kind, by the feasibility study's estimate."""


def gpu(files: Files, curves: list[dict[str, Any]]) -> dict[str, str]:
    """How much a GPU would see in five minutes beside what the UNet has seen, by arithmetic alone."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    unet = UNet2DConditionModel.from_pretrained(files.weights, subfolder="unet", local_files_only=True)
    unet = unet.float()
    side = int(unet.config.sample_size)
    hidden = torch.zeros(1, 32, int(unet.config.cross_attention_dim))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        unet(torch.zeros(1, 4, side, side), torch.tensor([500]), hidden)
    each = 3 * counter.get_total_flops()  # forward, and twice that back
    rates = [tera * 1e12 / each for tera in TERAFLOPS]
    seen = sum(curve["samples"] for curve in curves if curve["stage"].startswith("unet"))
    return {
        "samples_seen": f"{seen:,}",
        "gigaflop_a_sample": f"{each / 1e9:.1f}",
        "teraflop_a_second": _between([float(tera) for tera in TERAFLOPS]),
        "samples_a_second": _between(rates),
        "samples_in_five_minutes": _between([300 * rate for rate in rates]),
        "times": _between([300 * rate / seen for rate in rates]) if seen else "",
    }


def _between(numbers: list[float]) -> str:
    """Two numbers, to two digits."""
    low, high = (float(f"{number:.2g}") for number in numbers)
    return f"{low:,.0f} to {high:,.0f}"
