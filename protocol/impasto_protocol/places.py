"""Where Impasto keeps things on disk. The only module that knows.

Everything lies under one folder, `home()`; `docs/architecture.md` lists the files. The folder of shared
memory alone may lie outside, where the system keeps files in memory.
"""

import os
import sys
from pathlib import Path
from typing import Optional

from platformdirs import user_data_path

__all__ = [
    "blob_folder",
    "client_id_file",
    "config_file",
    "controlnet_folder",
    "home",
    "journal_file",
    "launch_file",
    "lock_file",
    "log_folder",
    "lora_folder",
    "memory_folder",
    "model_folder",
    "server_file",
    "shared_folder",
]

_MEMORY_FILES = Path("/dev/shm")  # noqa: S108  Linux: a tmpfs; what goes in is checked for its owner


def home() -> Path:
    """The one folder of all state: `IMPASTO_HOME`, else the platform's place for a user's data. May not exist
    yet.
    """
    chosen = os.environ.get("IMPASTO_HOME", "")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return user_data_path("impasto", appauthor=False)


def server_file(home: Path) -> Path:
    """JSON with host, port, token, pid and version of the running server; 0600."""
    return home / "server.json"


def lock_file(home: Path) -> Path:
    """Locked while a server runs in this home."""
    return home / "server.lock"


def journal_file(home: Path) -> Path:
    """SQLite database of jobs, states and events."""
    return home / "journal.sqlite"


def blob_folder(home: Path) -> Path:
    """Pixels, in files named by their SHA-256."""
    return home / "blobs"


def model_folder(home: Path) -> Path:
    """Models the artist put there."""
    return home / "models"


def controlnet_folder(home: Path) -> Path:
    """ControlNets the artist put there: diffusers folders."""
    return home / "controlnets"


def lora_folder(home: Path) -> Path:
    """LoRAs the artist put there: safetensors files."""
    return home / "loras"


def log_folder(home: Path) -> Path:
    """server.log and worker.log."""
    return home / "log"


def client_id_file(home: Path, program: str = "") -> Path:
    """Who the program is, for the journal: 32 hex digits. `program` is a short name, empty for the command
    line.
    """
    return home / (f"client-id-{program}" if program else "client-id")


def launch_file(home: Path) -> Path:
    """JSON with the command that started the last server, for programs that start it; 0600."""
    return home / "launch.json"


def config_file(home: Path) -> Path:
    """Settings of the server; optional."""
    return home / "config.toml"


def shared_folder(home: Optional[Path] = None) -> Path:
    """Folder of the shared-memory segments: one per user on Linux's tmpfs, else under `home` (default:
    `home()`).

    It may not exist yet; `shared_memory.private_folder` makes it and checks whose it is.
    """
    folder = memory_folder()
    return folder if folder is not None else (home if home is not None else globals()["home"]()) / "shm"


def memory_folder() -> Optional[Path]:
    """`shared_folder()` where its files are sure to lie in memory, not on a disk; else None."""
    if sys.platform != "win32" and _MEMORY_FILES.is_dir():
        return _MEMORY_FILES / f"impasto-{os.getuid()}"
    return None
