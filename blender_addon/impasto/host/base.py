"""What our hosts have in common: their name, the main thread's turn, settings, and memory inside the file."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import bpy

from .documents import document_id, keep, kept
from .loop import Loop

__all__ = ["Base", "Settings", "settings_path"]

FILE = "impasto.json"
PACKAGE = __package__.rpartition(".")[0]  # the add-on's own


def settings_path() -> Path:
    """Where extensions may write; older Blenders and legacy installations: among the user's configuration."""
    folder = ""
    if hasattr(bpy.utils, "extension_path_user"):
        try:
            folder = bpy.utils.extension_path_user(PACKAGE, create=True)
        except ValueError:  # not installed as an extension
            folder = ""
    return Path(folder or bpy.utils.user_resource("CONFIG", create=True)) / FILE


class Settings:
    """Texts by key, in one JSON file that is replaced as a whole. Shared by all hosts of the add-on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._texts = _read(path)

    def save(self, key: str, text: str) -> None:
        if self._texts.get(key) == text:
            return
        self._texts[key] = text
        try:
            _replace(self._path, json.dumps(self._texts, indent=1, ensure_ascii=False))
        except OSError:  # a full or locked disk: the artist works on, with what is in memory
            pass

    def load(self, key: str) -> str:
        return self._texts.get(key, "")


class Base:
    """`name` begins with a word of its own for each host: by it the server knows the clients apart."""

    program = "Blender"

    def __init__(self, loop: Loop, settings: Settings) -> None:
        self.loop = loop
        self._settings = settings

    @property
    def name(self) -> str:
        return f"{self.program} {bpy.app.version_string.split()[0]}"

    def call_soon(self, do: Callable[[], None]) -> None:
        self.loop.call_soon(do)

    def remember(self, document: str, key: str, data: bytes) -> None:
        if document == document_id():
            keep(key, data)

    def recall(self, document: str, key: str) -> bytes:
        return kept(key) if document == document_id() else b""

    def save_setting(self, key: str, text: str) -> None:
        self._settings.save(f"{self.program}/{key}", text)

    def load_setting(self, key: str) -> str:
        return self._settings.load(f"{self.program}/{key}")


def _read(path: Path) -> dict[str, str]:
    """What is there; nothing of a file that somebody broke."""
    try:
        texts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(texts, dict):
        return {}
    return {str(key): text for key, text in texts.items() if isinstance(text, str)}


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
