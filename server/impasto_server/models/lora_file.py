"""What a LoRA file changes, read from its header alone, and whether that is a part of a given model.

Names of its tensors come in the dialects of peft and diffusers (`unet.down_blocks.0.….to_q.lora_A.weight`)
and of kohya's trainer (`lora_unet_down_blocks_0_…_to_q.lora_down.weight`; for SDXL with the blocks' names of
`sgm_names`). All are compared with the names and shapes of the model's own weights, so a LoRA that was made
for another architecture is told before it is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import BadModel

from impasto_server.models.folder import ModelFolder, Shapes
from impasto_server.models.safetensors_file import BrokenWeights, read_header
from impasto_server.models.sgm_names import in_diffusers_words

__all__ = ["LoraFile", "factor_of", "parts_changed", "read_lora"]

_FACTOR = re.compile(
    r"(?P<layer>.+?)[._](?:lora_|lora\.|lora_linear_layer\.)(?P<side>A|B|down|up)(?:\.default)?\.weight"
)
_ALPHA = re.compile(r"(?P<layer>.+?)\.alpha")


@dataclass(frozen=True, eq=False)
class LoraFile:
    """A LoRA that can be read. layers: name → (values taken in, values given out) of the layer it changes."""

    name: str
    path: Path
    weight_values: int
    layers: Mapping[str, tuple[int, int]]


def read_lora(path: Path, name: str) -> LoraFile:
    """Raises `BadModel` for a file that is broken, or is something else than a plain LoRA."""
    try:
        header = read_header(path)
    except BrokenWeights as error:
        raise BadModel(f"“{name}”: {path.name} {error}. Download the LoRA again.") from error
    except OSError as error:
        raise BadModel(f"“{name}”: {path.name} cannot be read ({error.strerror}).") from error
    sides: dict[str, dict[str, tuple[int, ...]]] = {}
    for tensor, shape in header.shapes.items():
        layer, side = factor_of(tensor)
        if side and len(shape) in (2, 4):
            sides.setdefault(layer, {})[side] = shape
        elif _ALPHA.fullmatch(tensor) is None:
            raise BadModel(
                f"“{name}” is no plain LoRA: it holds {tensor[:80]!r}. LoHa, LoKr, DoRA and whole models are "
                "not supported yet."
            )
    if not sides or not all(set(pair) == {"A", "B"} for pair in sides.values()):
        raise BadModel(f"“{name}” is no LoRA, or lacks some of its layers. Download it again.")
    if any(pair["A"][0] != pair["B"][1] for pair in sides.values()):
        raise BadModel(f"“{name}” contradicts itself. Download it again.")
    layers = {layer: (pair["A"][1], pair["B"][0]) for layer, pair in sides.items()}
    return LoraFile(name, path, header.values, layers)


def factor_of(tensor: str) -> tuple[str, str]:
    """The layer a tensor of a LoRA file belongs to, and which factor of ΔW = B·A it is; "" for none."""
    factor = _FACTOR.fullmatch(tensor)
    if factor is None:
        return tensor, ""
    return factor["layer"], "A" if factor["side"] in ("A", "down") else "B"


def parts_changed(lora: LoraFile, model: ModelFolder) -> frozenset[str]:
    """Parts of the model ("unet", "text_encoder") that the LoRA changes. Empty if it does not fit."""
    sizes = {part: _sizes(model.shapes.get(part, {})) for part in model.family.lora_prefixes}
    depth = model.denoiser.get("layers_per_block", 2)
    found = set()
    for layer, size in lora.layers.items():
        part, inside = _place(layer, model.family.lora_prefixes)
        if part == model.family.denoiser and isinstance(depth, int):
            inside = in_diffusers_words(inside, depth)
        if sizes.get(part, {}).get(inside) != size:
            return frozenset()
        found.add(part)
    return frozenset(found)


def _place(layer: str, prefixes: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """The part a layer belongs to, and its flat name in there; an empty part for none."""
    for part, spelled in prefixes.items():
        for prefix in spelled:
            if layer.startswith(prefix):
                return part, _flat(layer.removeprefix(prefix))
    return "", layer


def _flat(name: str) -> str:
    """One name for all dialects: dots as underscores, without the wrappers that come and go with versions."""
    flat = name.replace(".processor.", ".").replace(".", "_").removeprefix("text_model_")
    return f"{flat}_0" if flat.endswith("to_out") else flat


def _sizes(shapes: Shapes) -> dict[str, tuple[int, int]]:
    """(in, out) of every linear and convolutional layer."""
    return {
        _flat(name.removesuffix(".weight")): (shape[1], shape[0])
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) in (2, 4)
    }
