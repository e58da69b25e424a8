"""What one diffusers folder holds, a model or a single part, read and checked without loading a weight.

Files are untrusted: nothing outside the folder is opened, no pickle is read, no class is built that the
family does not name, and a safetensors file is measured before a library maps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from impasto_protocol.errors import BadModel
from impasto_protocol.messages import ModelInfo

from impasto_server.families import Defaults, Family, FamilyMismatch, family_of
from impasto_server.families.few_steps import few_steps
from impasto_server.models.safetensors_file import BrokenWeights, WeightsHeader, read_header

__all__ = ["ModelFolder", "PartFolder", "confine", "read_folder", "read_json", "read_part"]

# A config is a few kilobytes, a tokenizer a few megabytes.
_MAX_JSON_BYTES = 64 << 20
_PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
_LOADED = (".json", ".txt", ".safetensors")
_WEIGHT_NAMES = ("diffusion_pytorch_model", "model")  # diffusers', transformers'
# Half-precision copies that hubs carry beside or instead of the full ones.
_VARIANTS = (None, "fp16", "bf16")
_HERE = "."  # the part that is the folder itself

Shapes = Mapping[str, tuple[int, ...]]  # of tensors, by name


@dataclass(frozen=True)
class ModelFolder:
    """A model that can be loaded.

    variant: the suffix of its weight files ("fp16") or None. weight_values: numbers in all weights: times the
    bytes of the working dtype, that is the memory they take. files: everything a load reads, rising by name.
    denoiser: its config. shapes: of the weights, by part ("unet"): what adapters must fit.
    """

    folder: Path
    family: Family
    info: ModelInfo
    variant: str | None
    weight_values: int
    files: tuple[Path, ...]
    denoiser: Mapping[str, object]
    shapes: Mapping[str, Shapes]


@dataclass(frozen=True, eq=False)
class PartFolder:
    """A folder that holds one part of a model, as `ModelMixin.save_pretrained` writes it. Fields as above."""

    folder: Path
    config: Mapping[str, object]
    variant: str | None
    weight_values: int
    files: tuple[Path, ...]


def confine(root: Path, *names: str) -> Path:
    """The path of `names`, each relative with forward slashes, one below the other inside `root`.

    Raises `BadModel` if one leads anywhere else. Links are followed and must stay inside too; a Hugging Face
    cache may link to the blobs of the same repository.
    """
    for name in names:
        relative = PurePosixPath(name.replace("\\", "/"))
        if relative.is_absolute() or ".." in relative.parts or ":" in name or "\0" in name:
            raise BadModel(
                f"This model names a file outside its folder ({name[:80]!r}). Get it from a source you trust."
            )
    path = root.joinpath(*names)
    resolved, inside = path.resolve(), root.resolve()
    homes = [inside]
    if inside.parent.name == "snapshots":
        homes.append(inside.parent.parent / "blobs")
    if not any(resolved.is_relative_to(home) for home in homes):
        raise BadModel(
            f"The model file {name[:80]!r} is a link to somewhere else. Copy the file into the folder."
        )
    return path


def read_folder(folder: Path, model: str) -> ModelFolder:
    """Checks a diffusers folder and describes it under the id `model`. Raises `BadModel`."""
    index = read_json(folder, "model_index.json")
    family = family_of(index)
    if family is None:
        raise BadModel(
            f"“{folder.name}” is a {index.get('_class_name', 'model of an unknown kind')}, "
            "which Impasto cannot run yet. Use a Stable Diffusion 1.x, 2.x or XL model."
        )
    parts = _components(folder, index, family)
    variant = _variant(folder, parts)
    weights = {part: _weights(folder, part, variant) for part in parts}
    headers = {part: [_header(folder, path) for path in paths] for part, paths in weights.items()}
    shapes = {part: {k: v for one in found for k, v in one.shapes.items()} for part, found in headers.items()}
    values = sum(header.values for found in headers.values() for header in found)
    denoiser = read_json(folder, f"{family.denoiser}/config.json")
    try:
        defaults = family.defaults(denoiser, read_json(folder, "vae/config.json"))
    except FamilyMismatch as error:
        raise BadModel(f"“{folder.name}”: {error}") from error
    title, defaults = _card(folder, _few(folder, index, defaults))
    info = ModelInfo(
        model, title, family.name, defaults.native_px, defaults.steps, defaults.guidance, family.capabilities
    )
    chosen = [path for paths in weights.values() for path in paths]
    files = tuple(_files(folder, parts, chosen))
    return ModelFolder(folder, family, info, variant, values, files, denoiser, shapes)


def read_part(folder: Path) -> PartFolder:
    """Checks the folder of a single part: config.json and weights. Raises `BadModel`."""
    config = read_json(folder, "config.json")
    variant = _variant(folder, [_HERE])
    weights = _weights(folder, _HERE, variant)
    values = sum(_header(folder, path).values for path in weights)
    return PartFolder(folder, config, variant, values, (confine(folder, "config.json"), *weights))


def _components(folder: Path, index: Mapping[str, object], family: Family) -> list[str]:
    """Names of the components that are loaded, each of a class the family allows."""
    for name, allowed in family.component_classes.items():
        entry = index.get(name)
        library, kind = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        if library not in ("diffusers", "transformers") or kind not in allowed:
            raise BadModel(
                f"“{folder.name}” needs a {name.replace('_', ' ')} of kind {str(kind)[:60]!r}, which Impasto "
                "does not run. Use a model whose parts are stock diffusers and transformers classes."
            )
    return list(family.component_classes)


def _variant(folder: Path, parts: list[str]) -> str | None:
    """The first variant that every component with weights has. Raises `BadModel` when there are only
    pickles.
    """
    heavy = [part for part in parts if part not in ("tokenizer", "tokenizer_2", "scheduler")]
    for variant in _VARIANTS:
        if all(_weights(folder, part, variant) for part in heavy):
            return variant
    for part in heavy:
        if not any(_weights(folder, part, variant) for variant in _VARIANTS):
            held = list((folder / part).glob("*")) if (folder / part).is_dir() else []
            what, where = (part, f" in its {part} folder") if part != _HERE else ("weights", "")
            if any(path.suffix in _PICKLES for path in held):
                raise BadModel(
                    f"“{folder.name}” stores its {what} as a pickle (.bin), which can run any code. "
                    "Impasto reads only .safetensors: get that version of the model, or convert it."
                )
            raise BadModel(f"“{folder.name}” has no weights{where}. Download the model again.")
    raise BadModel(
        f"“{folder.name}” mixes weights of different kinds (fp16 and full). Download one kind of it."
    )


def _weights(folder: Path, part: str, variant: str | None) -> list[Path]:
    """The safetensors files of a component; empty when it has none of this variant."""
    suffix = f".{variant}" if variant else ""
    for stem in _WEIGHT_NAMES:
        single = f"{part}/{stem}{suffix}.safetensors"
        if (folder / single).is_file():
            return [confine(folder, single)]
        index = f"{part}/{stem}.safetensors.index{suffix}.json"
        if (folder / index).is_file():
            return _shards(folder, part, index)
    return []


def _shards(folder: Path, part: str, index: str) -> list[Path]:
    mapping = read_json(folder, index).get("weight_map")
    if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
        raise BadModel(f"“{folder.name}”: {index} is damaged. Download the model again.")
    names = sorted(set(mapping.values()))
    if not all(name.endswith(".safetensors") for name in names):
        raise BadModel(
            f"“{folder.name}”: {index} names files that are not safetensors. Get that version of the model."
        )
    return [confine(folder, part, name) for name in names]


def _header(folder: Path, path: Path) -> WeightsHeader:
    try:
        return read_header(path)
    except BrokenWeights as error:
        raise BadModel(f"“{folder.name}”: {path.name} {error}. Download the model again.") from error
    except OSError as error:
        raise BadModel(f"“{folder.name}”: {path.name} cannot be read ({error.strerror}).") from error


def _few(folder: Path, index: Mapping[str, object], defaults: Defaults) -> Defaults:
    """A distilled model (Turbo, Lightning, LCM) is best in as few steps as it was made for."""
    scheduler = index["scheduler"]
    assert isinstance(scheduler, list)  # see `_components`
    config = read_json(folder, "scheduler/scheduler_config.json")
    choice = few_steps([folder.name], scheduler[1], config)
    if choice.guidance is None:
        return defaults
    return replace(defaults, steps=choice.steps, guidance=choice.guidance)


def _card(folder: Path, defaults: Defaults) -> tuple[str, Defaults]:
    """Title and defaults; Pocket's own card, `pocket.json`, comes before the family's."""
    if not (folder / "pocket.json").is_file():
        return folder.name, defaults
    card = read_json(folder, "pocket.json")
    native, steps, guidance = card.get("native_px"), card.get("steps"), card.get("guidance_scale")
    return str(card.get("name", folder.name)), Defaults(
        native if isinstance(native, int) and native > 0 else defaults.native_px,
        steps if isinstance(steps, int) and steps > 0 else defaults.steps,
        float(guidance) if isinstance(guidance, (int, float)) else defaults.guidance,
    )


def _files(folder: Path, parts: list[str], weights: list[Path]) -> Iterator[Path]:
    """Everything a load reads: of the weights only the chosen ones, and all configs and vocabularies."""
    chosen = set(weights)
    yield folder / "model_index.json"
    for part in sorted(parts):
        for path in sorted((folder / part).iterdir()) if (folder / part).is_dir() else ():
            if path in chosen or (path.suffix in _LOADED and path.suffix != ".safetensors"):
                yield confine(folder, part, path.name)


def read_json(folder: Path, name: str) -> dict[str, object]:
    """A JSON table of the folder. Raises `BadModel`."""
    path = confine(folder, name)
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise BadModel(f"“{folder.name}”: {name} is too large for a config. Download the model again.")
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise BadModel(
            f"“{folder.name}” has no {name}: it is no diffusers folder. "
            "Choose the folder that holds model_index.json."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BadModel(f"“{folder.name}”: {name} is damaged. Download the model again.") from error
    if not isinstance(content, dict):
        raise BadModel(f"“{folder.name}”: {name} is damaged. Download the model again.")
    return content
