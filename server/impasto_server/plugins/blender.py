"""Puts the add-on into Blender's folders: as an extension where there are such (4.2), else as an add-on of
the older kind.

It is not switched on from here: that stands in Blender's preferences, a binary file of Blender's own, which a
running Blender writes anew.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from impasto_server.plugins.placing import PLUGIN, put, unpacked

__all__ = ["OLDEST", "BlenderFolder", "find", "install"]

OLDEST = (3, 4)
EXTENSIONS = (4, 2)
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class BlenderFolder:
    """One user's folder of one version of Blender."""

    folder: Path
    version: tuple[int, int]

    @property
    def extension(self) -> bool:
        return self.version >= EXTENSIONS

    @property
    def plugins(self) -> Path:
        """The folder that the add-on's own comes into."""
        return self.folder / ("extensions/user_default" if self.extension else "scripts/addons")


def find(home: Path | None = None, platform: str = sys.platform) -> list[BlenderFolder]:
    """Every Blender of this user that Impasto runs in, newest first. A Blender that was never started has no
    folder yet. Steam's and Snap's use the usual place."""
    home = Path.home() if home is None else home
    if platform == "win32":
        roaming = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
        places = [roaming / "Blender Foundation" / "Blender"]
    elif platform == "darwin":
        places = [home / "Library" / "Application Support" / "Blender"]
    else:
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        flatpaks = home / ".var" / "app"
        places = [
            settings / "blender",
            flatpaks / "org.blender.Blender" / "config" / "blender",
            flatpaks / "com.valvesoftware.Steam" / "config" / "blender",
            flatpaks / "com.valvesoftware.Steam" / ".config" / "blender",
        ]
    found: dict[Path, BlenderFolder] = {}
    for folder in (one for place in places if place.is_dir() for one in place.iterdir() if one.is_dir()):
        match = _VERSION.fullmatch(folder.name)
        version = (int(match[1]), int(match[2])) if match else (0, 0)
        if version >= OLDEST:
            found.setdefault(folder.resolve(), BlenderFolder(folder, version))
    return sorted(found.values(), key=lambda one: one.version, reverse=True)


def install(archive: Path, blender: BlenderFolder) -> None:
    """Replaces the add-on by the archive's, whole. Raises `BadValue` for another archive."""
    wanted = [f"{PLUGIN}/__init__.py", f"{PLUGIN}/blender_manifest.toml"]
    with unpacked(archive, blender.plugins, wanted, "Blender") as new:
        put(new, blender.plugins)
