"""`impasto blender install`: the add-on in the folders of every Blender, whole."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from impasto_protocol.errors import BadValue
from impasto_server.cli import blender as command
from impasto_server.plugins import blender
from impasto_server.plugins.archive import Archive


def an_archive(path: Path, text: bytes = b"new") -> Path:
    Archive({"impasto/__init__.py": text, "impasto/blender_manifest.toml": b"m"}).write(path)
    return path


def versions(found: list[blender.BlenderFolder]) -> list[tuple[int, int]]:
    return [one.version for one in found]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("version", "place"),
    [
        ("4.2", "extensions/user_default/impasto"),
        ("5.0", "extensions/user_default/impasto"),
        ("4.1", "scripts/addons/impasto"),
        ("3.4", "scripts/addons/impasto"),
    ],
)
def test_the_addon_lies_where_this_blender_looks(tmp_path: Path, version: str, place: str) -> None:
    (tmp_path / ".config/blender" / version).mkdir(parents=True)
    for one in blender.find(tmp_path, "linux"):
        blender.install(an_archive(tmp_path / "addon.zip"), one)
    assert (tmp_path / ".config/blender" / version / place / "__init__.py").read_bytes() == b"new"


def test_an_older_addon_is_replaced_whole(tmp_path: Path) -> None:
    folder = blender.BlenderFolder(tmp_path / "4.5", (4, 5))
    blender.install(an_archive(tmp_path / "addon.zip", b"old"), folder)
    (folder.plugins / "impasto" / "gone_since.py").touch()
    blender.install(an_archive(tmp_path / "addon.zip"), folder)
    assert sorted(path.name for path in folder.plugins.iterdir()) == ["impasto"]
    assert sorted(path.name for path in (folder.plugins / "impasto").iterdir()) == [
        "STAMP",
        "__init__.py",
        "blender_manifest.toml",
    ]


def test_another_archive_is_refused_and_what_is_there_stays(tmp_path: Path) -> None:
    folder = blender.BlenderFolder(tmp_path / "4.5", (4, 5))
    blender.install(an_archive(tmp_path / "addon.zip"), folder)
    Archive({"impasto/__init__.py": b"Krita's"}).write(tmp_path / "other.zip")
    with pytest.raises(BadValue, match="not Impasto's plugin for Blender"):
        blender.install(tmp_path / "other.zip", folder)
    assert (folder.plugins / "impasto" / "__init__.py").read_bytes() == b"new"


def test_every_blender_of_the_user_is_found_newest_first(tmp_path: Path) -> None:
    for place in (
        ".config",
        ".var/app/org.blender.Blender/config",
        ".var/app/com.valvesoftware.Steam/.config",
    ):
        (tmp_path / place / "blender").mkdir(parents=True)
    for place in (".config/blender/3.3", ".config/blender/4.2", ".config/blender/not-a-version"):
        (tmp_path / place).mkdir()
    assert versions(blender.find(tmp_path, "linux")) == [(4, 2)]
    (tmp_path / ".var/app/org.blender.Blender/config/blender/5.0").mkdir()
    (tmp_path / ".var/app/com.valvesoftware.Steam/.config/blender/3.6").mkdir()
    assert versions(blender.find(tmp_path, "linux")) == [(5, 0), (4, 2), (3, 6)]


def test_windows_and_macos_have_their_own_places(tmp_path: Path) -> None:
    (tmp_path / "AppData/Roaming/Blender Foundation/Blender/4.5").mkdir(parents=True)
    assert versions(blender.find(tmp_path, "win32")) == [(4, 5)]
    (tmp_path / "Library/Application Support/Blender/4.2").mkdir(parents=True)
    assert versions(blender.find(tmp_path, "darwin")) == [(4, 2)]


def test_without_a_blender_a_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.blender, "find", list)
    monkeypatch.setattr(command, "build_blender", lambda root, wheels: Archive({}))
    with pytest.raises(BadValue, match="Start Blender once"):
        command.run(argparse.Namespace(action="install"))
