"""Puts the plugin into Krita's folders, and switches it on."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from impasto_server.plugins.placing import PLUGIN, put, unpacked

__all__ = ["KritaFolders", "enable", "find", "install"]


@dataclass(frozen=True)
class KritaFolders:
    """One Krita's: where its resources lie, and its settings file."""

    resources: Path
    settings: Path


def find(home: Path | None = None, platform: str = sys.platform) -> list[KritaFolders]:
    """Every Krita of this user, by its settings or resources; the system's own comes first.

    Where there is none yet (Krita was never started) the system's usual place is the answer.
    """
    home = Path.home() if home is None else home
    if platform == "win32":
        roaming = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        places = [KritaFolders(roaming / "krita", local / "kritarc")]
    elif platform == "darwin":
        library = home / "Library"
        places = [
            KritaFolders(library / "Application Support" / "krita", library / "Preferences" / "kritarc")
        ]
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        flatpak = home / ".var" / "app" / "org.kde.krita"
        snap = home / "snap" / "krita" / "current"
        places = [
            KritaFolders(data / "krita", settings / "kritarc"),
            KritaFolders(flatpak / "data" / "krita", flatpak / "config" / "kritarc"),
            KritaFolders(snap / ".local" / "share" / "krita", snap / ".config" / "kritarc"),
        ]
    there = [place for place in places if place.resources.is_dir() or place.settings.is_file()]
    return there or places[:1]


def install(archive: Path, krita: KritaFolders) -> None:
    """Replaces the plugin by the archive's, whole, and switches it on. Raises `BadValue` for another archive.

    The old plugin stands until the new one lies beside it; an interrupted installation leaves one of them.
    """
    pykrita, actions = krita.resources / "pykrita", krita.resources / "actions"
    actions.mkdir(parents=True, exist_ok=True)
    with unpacked(archive, pykrita, [f"{PLUGIN}/__init__.py"], "Krita") as new:
        put(new, pykrita)
        os.replace(new / f"{PLUGIN}.desktop", pykrita / f"{PLUGIN}.desktop")
        os.replace(new / f"{PLUGIN}.action", actions / f"{PLUGIN}.action")
    enable(krita.settings)


def enable(settings: Path) -> None:
    """Switches the plugin on in kritarc, and leaves every other line as it is."""
    text = settings.read_text("utf-8") if settings.exists() else ""
    wanted = f"enable_{PLUGIN}=true"
    section = re.search(r"^\[python\]\n(?:(?!\[).*\n?)*", text, re.MULTILINE)
    if section is None:
        text = f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}[python]\n{wanted}\n"
    else:
        lines = [one for one in section[0].splitlines() if not one.startswith(f"enable_{PLUGIN}=")]
        lines.insert(1, wanted)
        text = f"{text[: section.start()]}{chr(10).join(lines)}\n{text[section.end() :]}"
    settings.parent.mkdir(parents=True, exist_ok=True)
    part = settings.with_name(f"{settings.name}.impasto.part")
    part.write_text(text, "utf-8")
    part.replace(settings)
