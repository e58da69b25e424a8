"""A plugin's folder, replaced as a whole: the old one stands until the new one lies beside it."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto_protocol.errors import BadValue

__all__ = ["PLUGIN", "put", "unpacked"]

PLUGIN = "impasto"


@contextmanager
def unpacked(archive: Path, folder: Path, wanted: Collection[str], program: str) -> Iterator[Path]:
    """The archive's content in a folder beside where it goes, gone afterwards. Raises `BadValue` for an
    archive without the files `wanted`, or with one that would land outside."""
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".{PLUGIN}.new"
    shutil.rmtree(new, ignore_errors=True)
    with zipfile.ZipFile(archive) as zipped:
        names = zipped.namelist()
        if not set(wanted) <= set(names) or any(_leaves(name) for name in names):
            raise BadValue(f"{archive.name} is not Impasto's plugin for {program}.")
        zipped.extractall(new)
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def put(new: Path, folder: Path) -> None:
    """Moves the plugin from `new` into `folder`, in place of an older one; an interruption leaves one."""
    target, old = folder / PLUGIN, folder / f".{PLUGIN}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.is_symlink():  # a developer's link to her clone
        target.unlink()
    elif target.exists():
        target.rename(old)
    (new / PLUGIN).rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _leaves(name: str) -> bool:
    """Whether an entry would land outside the folder."""
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name
