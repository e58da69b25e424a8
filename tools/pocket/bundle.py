"""A training's state packed for the way between machines: half precision, parts of at most 15 MiB.

For trainings in short runs on a machine that keeps nothing: each run unpacks what the last one left. What can
be made again (latents, icons) and what comes back within a few steps (the optimizers' momentum) stays behind.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import torch

from . import checkpoint, data, styles

PART_BYTES = 15 * 2**20

_KEPT = ("tokenizer", "text_encoder", "done", "controls", "loras", "model", "log.jsonl")

_IN_FOLDERS = (*data.HINTS, *styles.STYLES)
"""Stages whose results lie in folders when they are done."""


def pack(out: Path, target: Path) -> list[Path]:
    """Write the state of the training in `out` to `target`/state-NN.part; returns the parts."""
    target.mkdir(parents=True, exist_ok=True)
    packed, temporary = io.BytesIO(), out / "packing.tmp"
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path in _states(out):
            state = checkpoint.load(path)
            state["optimizers"] = []
            if (out / "done" / "unet").exists() and path.stem.startswith("unet-"):
                state["model"] = {}  # only its average is needed any more
            checkpoint.save(temporary, _halved(state))
            tar.add(temporary, path.name)
            temporary.unlink()
        for name in _KEPT:
            if (out / name).exists():
                tar.add(out / name, name, filter=_carried)
    content, parts = packed.getvalue(), []
    for index, start in enumerate(range(0, len(content), PART_BYTES)):
        parts.append(target / f"state-{index:02d}.part")
        parts[-1].write_bytes(content[start : start + PART_BYTES])
    return parts


def unpack(source: Path, out: Path) -> bool:
    """Bring back into `out` what `pack` left in `source`; whether there was anything."""
    parts = sorted(source.glob("state-*.part"))
    if not parts:
        return False
    out.mkdir(parents=True, exist_ok=True)
    joined = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=joined) as tar:
        tar.extractall(out, filter="data")
    return True


def _states(out: Path) -> list[Path]:
    """The states of trainings that a later run still needs."""
    if (out / "done" / "export").exists():
        return []
    phases = sorted(out.glob("unet-*.safetensors"), key=lambda path: path.stat().st_mtime)
    others = [
        path
        for path in out.glob("*.safetensors")
        if path not in phases and not (path.stem in _IN_FOLDERS and (out / "done" / path.stem).exists())
    ]
    return [*sorted(others), *phases[-1:]]  # each phase began from the result of the one before


def _carried(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """All but the marks of stages whose results stay behind."""
    return None if entry.name in ("done/data", "done/icons") else entry


def _halved(value):
    """The same state with every large tensor in float16. Weights of this size lose nothing that matters."""
    if isinstance(value, torch.Tensor):
        return value.half() if value.is_floating_point() and value.numel() > 16 else value
    if isinstance(value, dict):
        return {key: _halved(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_halved(item) for item in value]
    return value
