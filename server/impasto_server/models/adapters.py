"""ControlNets and LoRAs: Pocket's own, and what the artist put into `controlnets/` and `loras/`.

Which model each fits is told from its structure, not from its name. As in the catalogue, the disk is looked
at when asked, and names in requests are looked up, never joined to a path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from impasto_protocol import places
from impasto_protocol.errors import BadModel, UnknownModel

from impasto_server import pocket
from impasto_server.models.control_kinds import kind_of, stand_in
from impasto_server.models.digests import file_digest, folder_digest
from impasto_server.models.folder import ModelFolder, PartFolder, read_json, read_part
from impasto_server.models.lora_file import LoraFile, parts_changed, read_lora

__all__ = ["Adapters"]

T = TypeVar("T")

_DEPTH = 3  # an artist sorts her LoRAs into folders; deeper is somebody's disk
_MOST = 4096  # files or folders looked at
_CARD = "impasto.json"  # beside a ControlNet's config: {"kind": "depth"}


@dataclass
class _Known(Generic[T]):
    """What was learned of a file or folder, until it changes. `error`: why it cannot be used."""

    stamp: object
    found: T | None = None
    error: BadModel | None = None


@dataclass
class Adapters:
    """What there is in `home`, and what of it fits a model."""

    home: Path
    _nets: dict[Path, _Known[PartFolder]] = field(default_factory=dict, repr=False)
    _files: dict[Path, _Known[LoraFile]] = field(default_factory=dict, repr=False)
    _digests: dict[Path, tuple[PartFolder | LoraFile, str]] = field(default_factory=dict, repr=False)
    _parts: dict[tuple[Path, Path], tuple[LoraFile, ModelFolder, frozenset[str]]] = field(
        default_factory=dict, repr=False
    )

    def controls(self, model: ModelFolder) -> dict[str, PartFolder]:
        """Kind of control image → the ControlNet that serves it on this model."""
        found: dict[str, PartFolder] = {}
        for folder in self._control_folders():
            net = self._known(self._nets, folder, _read_net)
            if net.found is None or not model.family.control_fits(model.denoiser, net.found.config):
                continue
            kind = _kind(folder)
            found.setdefault(kind if kind not in found else folder.name, net.found)
        for kind in list(found):
            other = stand_in(kind)
            if other is not None:
                found.setdefault(other, found[kind])
        return found

    def control(self, model: ModelFolder, kind: str) -> PartFolder:
        """The ControlNet for a kind. Raises `UnknownModel`, or `BadModel` if a broken one has that name."""
        found = self.controls(model)
        if kind in found:
            return found[kind]
        for folder in self._control_folders():
            error = self._known(self._nets, folder, _read_net).error
            if error is not None and kind in (kind_of(folder.name), folder.name):
                raise error
        raise UnknownModel(
            f"“{model.info.title}” has no ControlNet for “{kind[:60]}”. {_there_are(found)} Put one that was "
            f"made for this model into {places.controlnet_folder(self.home).name}/ in Impasto's folder."
        )

    def loras(self, model: ModelFolder) -> dict[str, LoraFile]:
        """Name → LoRA, of those that fit this model."""
        known = {name: self._known(self._files, path, read_lora, name) for name, path in self._lora_files()}
        return {
            name: one.found
            for name, one in known.items()
            if one.found is not None and self.parts_changed(one.found, model)
        }

    def lora(self, model: ModelFolder, name: str) -> LoraFile:
        """A LoRA by its name. Raises `UnknownModel`, or `BadModel` for one that is broken or does not fit."""
        path = dict(self._lora_files()).get(name)
        if path is None:
            raise UnknownModel(
                f"There is no LoRA “{name[:60]}” here. {_there_are(self.loras(model))} "
                f"Put its file into {places.lora_folder(self.home).name}/ in Impasto's folder."
            )
        known = self._known(self._files, path, read_lora, name)
        if known.found is None:
            assert known.error is not None
            raise known.error
        if not self.parts_changed(known.found, model):
            raise BadModel(
                f"The LoRA “{name}” was made for another kind of model than “{model.info.title}”. "
                "Choose a model of the kind it was made for, or another LoRA."
            )
        return known.found

    def parts_changed(self, lora: LoraFile, model: ModelFolder) -> frozenset[str]:
        """See `lora_file.parts_changed`; remembered, since lists of models are asked for often."""
        known = self._parts.get((lora.path, model.folder))
        if known is None or known[0] is not lora or known[1] is not model:
            known = (lora, model, parts_changed(lora, model))
            self._parts[(lora.path, model.folder)] = known
        return known[2]

    def digest(self, found: PartFolder | LoraFile) -> str:
        """SHA-256 over what a load reads; a LoRA's is that of its file, as others write it too."""
        place = found.path if isinstance(found, LoraFile) else found.folder
        known = self._digests.get(place)
        if known is None or known[0] is not found:
            known = self._digests[place] = (found, self._read_digest(found))
        return known[1]

    def _read_digest(self, found: PartFolder | LoraFile) -> str:
        cache = self.home / "digests.json"
        if isinstance(found, LoraFile):
            return file_digest(found.path, cache)
        return folder_digest(found.folder, found.files, cache)

    def _control_folders(self) -> Iterator[Path]:
        for kind in pocket.controls():
            yield pocket.control_folder(kind)
        for path in _below(places.controlnet_folder(self.home), "config.json"):
            yield path.parent

    def _lora_files(self) -> Iterator[tuple[str, Path]]:
        seen: set[str] = set()
        own = [pocket.lora_file(name) for name in pocket.loras()]
        for path in (*own, *_below(places.lora_folder(self.home), "*.safetensors")):
            name, number = path.stem, 2
            while name in seen:
                name, number = f"{path.stem}-{number}", number + 1
            seen.add(name)
            yield name, path

    @staticmethod
    def _known(memory: dict[Path, _Known[T]], path: Path, read: Callable[..., T], *more: object) -> _Known[T]:
        stamp = (_stamp(path), *more)
        known = memory.get(path)
        if known is None or known.stamp != stamp:
            known = _Known(stamp)
            try:
                known.found = read(path, *more)
            except BadModel as error:
                known.error = error
            memory[path] = known
        return known


def _read_net(folder: Path) -> PartFolder:
    net = read_part(folder)
    if net.config.get("_class_name") != "ControlNetModel" or "quantization_config" in net.config:
        raise BadModel(
            f"“{folder.name}” is no plain ControlNet in diffusers' format. "
            "Get that version of it, or convert it."
        )
    return net


def _kind(folder: Path) -> str:
    """From the card the artist may put beside the config, else from the folder's name."""
    try:
        kind = read_json(folder, _CARD).get("kind") if (folder / _CARD).is_file() else None
    except BadModel:
        kind = None
    return kind_of(kind if isinstance(kind, str) else folder.name)


def _below(root: Path, pattern: str) -> list[Path]:
    """Files at most `_DEPTH` folders below `root`, by path."""
    patterns = ["/".join(["*"] * depth + [pattern]) for depth in range(_DEPTH)]
    return sorted(path for one in patterns for path in root.glob(one) if path.is_file())[:_MOST]


def _stamp(path: Path) -> object:
    """Changes when the file, or a file of the folder, is written."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return tuple((file.name, (status := file.stat()).st_size, status.st_mtime_ns) for file in files)


def _there_are(found: dict[str, T]) -> str:
    return f"There are: {', '.join(list(found)[:12])}." if found else "There is none that fits it yet."
