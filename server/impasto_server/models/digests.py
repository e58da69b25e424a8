"""SHA-256 over a model's files, which recipes carry. A 4 GB model takes seconds, so each file is read
once.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

# 1 MiB: SHA-256 gains nothing from more, and memory stays small.
_CHUNK_BYTES = 1 << 20


def folder_digest(folder: Path, files: Iterable[Path], cache: Path) -> str:
    """Hex digest over relative names and contents of `files`. `cache` (JSON) remembers contents by path, size
    and
    modification time, and is only ever a shortcut: damaged or missing, it is made again."""
    known = _read(cache)
    fresh: dict[str, str] = {}
    total = hashlib.sha256()
    for path in sorted(files):
        status = path.stat()
        key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
        fresh[key] = known.get(key) or _file_digest(path)
        total.update(f"{path.relative_to(folder).as_posix()}\0{fresh[key]}\n".encode())
    if any(key not in known for key in fresh):
        _write(cache, {**known, **fresh})
    return total.hexdigest()


def file_digest(path: Path, cache: Path) -> str:
    """Hex digest over the contents of one file: what others call its SHA-256. `cache` as above."""
    known = _read(cache)
    status = path.stat()
    key = f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    if key not in known:
        known[key] = _file_digest(path)
        _write(cache, known)
    return known[key]


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read(cache: Path) -> dict[str, str]:
    try:
        content = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _write(cache: Path, known: dict[str, str]) -> None:
    """A server that may not write there only hashes again next time."""
    part = cache.with_name(f"{cache.name}.{secrets.token_hex(4)}.part")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known, indent=0, sort_keys=True))
        os.replace(part, cache)
    except OSError:
        part.unlink(missing_ok=True)
