"""All state lies under one folder, which the artist may choose."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from impasto_protocol import places


def test_impasto_home_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "here"))
    assert places.home() == tmp_path / "here"


def test_a_relative_home_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_HOME", "state")
    assert places.home() == tmp_path / "state"


def test_without_it_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMPASTO_HOME", raising=False)
    assert places.home().name == "impasto"
    assert places.home().is_absolute()


def test_every_file_has_its_own_place_in_the_home(tmp_path: Path) -> None:
    files = [
        getattr(places, name)(tmp_path)
        for name in places.__all__
        if name not in ("home", "memory_folder", "shared_folder")
    ]
    assert {path.parent for path in files} == {tmp_path}
    assert len(set(files)) == len(files)


def test_memory_is_shared_where_files_lie_in_memory(tmp_path: Path) -> None:
    folder = places.shared_folder(tmp_path)
    if sys.platform == "linux" and Path("/dev/shm").is_dir():
        assert folder.parent == Path("/dev/shm")
        assert places.memory_folder() == folder
    else:
        assert places.memory_folder() is None
        assert folder == tmp_path / "shm"
