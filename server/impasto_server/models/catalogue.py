"""The models this server can paint with: Pocket, and every diffusers folder in the model folders.

Ids come from here alone. A request names a model by its id, which is looked up and never joined to a path.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from impasto_protocol import places
from impasto_protocol.errors import BadModel, UnknownModel
from impasto_protocol.messages import ModelInfo

from impasto_server import pocket
from impasto_server.models.adapters import Adapters
from impasto_server.models.digests import folder_digest
from impasto_server.models.folder import ModelFolder, read_folder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["POCKET", "Catalogue"]

POCKET = "pocket"
# A model may lie one folder down (by artist or kind), as hub caches do two down; deeper is somebody's disk.
_DEPTH = 3
_MAX_FOLDERS = 4096


@dataclass
class Catalogue:
    """Finds models under `home/models`, the configured `folders`, and those that were added one by one.

    Looks at the disk when asked and remembers nothing but what it learned of unchanged folders, so a model
    that the artist copies into a folder is there at the next look.
    """

    home: Path
    folders: Sequence[Path] = ()
    adapters: Adapters = field(init=False)
    _known: dict[Path, tuple[int, ModelFolder]] = field(default_factory=dict, repr=False)
    _digests: dict[Path, tuple[ModelFolder, str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.adapters = Adapters(self.home)

    def infos(self) -> list[ModelInfo]:
        """What can be offered to the artist: Pocket first, then by id. Broken folders are left out."""
        found = [self._readable(folder, model) for model, folder in self._places().items()]
        return [
            replace(
                model.info,
                controls=tuple(self.adapters.controls(model)),
                loras=tuple(sorted(self.adapters.loras(model))),
            )
            for model in found
            if model is not None
        ]

    def get(self, model: str) -> ModelFolder:
        """The checked folder of a model id. Raises `UnknownModel`, `BadModel`."""
        held = self._places()
        if model not in held:
            known = ", ".join(list(held)[:8])
            raise UnknownModel(
                f"There is no model “{model[:80]}” here. Known models: {known}. "
                "Put its folder into the models folder, or add it with `impasto models add`."
            )
        return self._read(held[model], model)

    def digest(self, found: ModelFolder) -> str:
        """SHA-256 over the names and contents of the files a load of `found` (from `get`) reads."""
        known = self._digests.get(found.folder)
        if known is None or known[0] is not found:
            known = (found, folder_digest(found.folder, found.files, self.home / "digests.json"))
            self._digests[found.folder] = known
        return known[1]

    def add(self, folder: Path) -> ModelInfo:
        """Remembers a model folder that lies somewhere else. Idempotent. Raises `BadModel` if it cannot be
        run.
        """
        place = folder.expanduser().resolve()
        if not place.is_dir():
            raise BadModel(f"There is no folder {place}. Choose the folder that holds model_index.json.")
        read_folder(place, place.name)
        for model, known in self._places().items():
            if known.resolve() == place:
                return self._read(known, model).info
        _write_added(self._added_file, [*self._added(), place])
        return next(
            self._read(known, model).info for model, known in self._places().items() if known == place
        )

    @property
    def _added_file(self) -> Path:
        return self.home / "models.toml"

    def _added(self) -> list[Path]:
        try:
            folders = tomllib.loads(self._added_file.read_text("utf-8")).get("folders")
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise BadModel(f"{self._added_file} is damaged. Delete it and add your models again.") from error
        return [Path(name) for name in folders if isinstance(name, str)] if isinstance(folders, list) else []

    def _places(self) -> dict[str, Path]:
        """Every folder that holds a `model_index.json`, by id."""
        found = {POCKET: pocket.folder()}
        for folder in self._candidates():
            name = _id_of(folder)
            number = 2
            model = name
            while model in found and found[model] != folder:
                model, number = f"{name}-{number}", number + 1
            found[model] = folder
        return found

    def _candidates(self) -> Iterator[Path]:
        for root in (places.model_folder(self.home), *self.folders):
            yield from _model_folders(root, _DEPTH)
        for folder in self._added():
            yield from _model_folders(folder, 0)

    def _readable(self, folder: Path, model: str) -> ModelFolder | None:
        try:
            return self._read(folder, model)
        except BadModel:
            return None  # `get` says why, when somebody asks for it by name

    def _read(self, folder: Path, model: str) -> ModelFolder:
        """`read_folder`, remembered until a file of the folder changes."""
        stamp = _stamp(folder)
        known = self._known.get(folder)
        if known is not None and known[0] == stamp and known[1].info.model == model:
            return known[1]
        found = read_folder(folder, model)
        self._known[folder] = (stamp, found)
        return found


def _model_folders(root: Path, depth: int) -> Iterator[Path]:
    """Folders with a `model_index.json` at or below `root`, by name; unreadable ones are passed over."""
    if (root / "model_index.json").is_file():
        yield root
        return
    if depth == 0:
        return
    try:
        inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return
    for folder in inside[:_MAX_FOLDERS]:
        yield from _model_folders(folder, depth - 1)


def _id_of(folder: Path) -> str:
    """A readable id: the folder's name, or the repository's where the folder is a hub cache's snapshot."""
    name = folder.name
    if folder.parent.name == "snapshots":
        name = folder.parent.parent.name.removeprefix("models--").split("--")[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _stamp(folder: Path) -> int:
    """Changes when a file of the model is added, removed or written."""
    entries = []
    for path in (folder, *(path for path in folder.iterdir())):
        for file in path.iterdir() if path.is_dir() else (path,):
            status = file.stat() if file.exists() else None
            entries.append((str(file), status and (status.st_size, status.st_mtime_ns)))
    return hash(tuple(sorted(entries, key=lambda entry: entry[0])))


def _write_added(path: Path, folders: list[Path]) -> None:
    """Whole or not at all. A JSON string is a TOML string as long as nothing is written as a surrogate
    pair.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    lines = "".join(f"    {json.dumps(str(folder), ensure_ascii=False)},\n" for folder in folders)
    part.write_text(f"# Written by `impasto models add`.\nfolders = [\n{lines}]\n", "utf-8")
    os.replace(part, path)
