"""`impasto krita install`: the plugin in Krita's folders, switched on, nothing else touched."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from impasto_protocol.errors import BadValue
from impasto_server.plugins import krita
from impasto_server.plugins.archive import Archive


def an_archive(path: Path, text: bytes = b"new") -> Path:
    files = {"impasto.desktop": b"d", "impasto.action": b"a", "impasto/__init__.py": text}
    Archive(files).write(path)
    return path


@pytest.fixture
def folders(tmp_path: Path) -> krita.KritaFolders:
    return krita.KritaFolders(tmp_path / "share" / "krita", tmp_path / "config" / "kritarc")


def test_the_plugin_lies_where_krita_looks(folders: krita.KritaFolders, tmp_path: Path) -> None:
    krita.install(an_archive(tmp_path / "plugin.zip"), folders)
    assert (folders.resources / "pykrita" / "impasto.desktop").read_bytes() == b"d"
    assert (folders.resources / "pykrita" / "impasto" / "__init__.py").read_bytes() == b"new"
    assert (folders.resources / "actions" / "impasto.action").read_bytes() == b"a"
    assert folders.settings.read_text() == "[python]\nenable_impasto=true\n"


def test_an_older_plugin_is_replaced_whole(folders: krita.KritaFolders, tmp_path: Path) -> None:
    krita.install(an_archive(tmp_path / "plugin.zip", b"old"), folders)
    leftover = folders.resources / "pykrita" / "impasto" / "gone_since.py"
    leftover.touch()
    krita.install(an_archive(tmp_path / "plugin.zip"), folders)
    assert not leftover.exists()
    assert (leftover.parent / "__init__.py").read_bytes() == b"new"
    assert sorted(path.name for path in leftover.parent.parent.iterdir()) == ["impasto", "impasto.desktop"]


def test_a_developers_link_is_replaced_and_her_clone_left_alone(
    folders: krita.KritaFolders, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "mine.py").touch()
    (folders.resources / "pykrita").mkdir(parents=True)
    (folders.resources / "pykrita" / "impasto").symlink_to(clone)
    krita.install(an_archive(tmp_path / "plugin.zip"), folders)
    assert (clone / "mine.py").exists()
    assert not (folders.resources / "pykrita" / "impasto").is_symlink()


@pytest.mark.parametrize(
    "name", ["../outside.py", "/outside.py", "impasto/../../outside.py", "c:\\outside.py"]
)
def test_an_archive_that_reaches_outside_is_refused(
    folders: krita.KritaFolders, tmp_path: Path, name: str
) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        bad.writestr("impasto/__init__.py", "")
        bad.writestr(name, "")
    with pytest.raises(BadValue, match="not Impasto's plugin"):
        krita.install(tmp_path / "bad.zip", folders)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[python]\nenable_impasto=true\n"),
        ("[a]\nx=1", "[a]\nx=1\n[python]\nenable_impasto=true\n"),
        (
            "[a]\nx=1\n\n[python]\nenable_other=true\nenable_impasto=false\n\n[z]\ny=[2]\n",
            "[a]\nx=1\n\n[python]\nenable_impasto=true\nenable_other=true\n\n[z]\ny=[2]\n",
        ),
        ("[python]\nenable_impasto=true\n", "[python]\nenable_impasto=true\n"),
        ("[python][x]\ny=1\n", "[python][x]\ny=1\n[python]\nenable_impasto=true\n"),
    ],
)
def test_only_the_switch_changes_in_kritas_settings(tmp_path: Path, before: str, after: str) -> None:
    settings = tmp_path / "kritarc"
    settings.write_text(before)
    krita.enable(settings)
    assert settings.read_text() == after


def test_every_krita_of_the_user_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert krita.find(tmp_path, "linux") == [
        krita.KritaFolders(tmp_path / ".local/share/krita", tmp_path / ".config/kritarc")
    ]
    flatpak = tmp_path / ".var/app/org.kde.krita"
    (flatpak / "data/krita").mkdir(parents=True)
    assert krita.find(tmp_path, "linux") == [
        krita.KritaFolders(flatpak / "data/krita", flatpak / "config/kritarc")
    ]
    (tmp_path / ".local/share/krita").mkdir(parents=True)
    assert len(krita.find(tmp_path, "linux")) == 2


def test_windows_and_macos_have_their_own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert krita.find(tmp_path, "win32")[0].resources == tmp_path / "AppData/Roaming/krita"
    assert krita.find(tmp_path, "win32")[0].settings == tmp_path / "AppData/Local/kritarc"
    assert krita.find(tmp_path, "darwin")[0].settings == tmp_path / "Library/Preferences/kritarc"
