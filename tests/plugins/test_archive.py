"""The plugins' archives: what is in them, their stamp, and that the same sources give the same bytes."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from impasto_protocol.errors import ServerUnreachable
from impasto_server.plugins import archive

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built() -> archive.Archive:
    return archive.build_krita(ROOT, ROOT / "build" / "vendored")


@pytest.fixture(scope="module")
def zipped(built: archive.Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "impasto-krita.zip"
    built.write(path)
    return path


def test_kritas_importer_finds_the_plugin(zipped: Path) -> None:
    names = zipfile.ZipFile(zipped).namelist()
    assert {"impasto.desktop", "impasto.action", "impasto/", "impasto/__init__.py"} <= set(names)
    assert "X-KDE-Library=impasto" in zipfile.ZipFile(zipped).read("impasto.desktop").decode().splitlines()
    assert [name for name in names if name.endswith("/impasto/")] == []  # its importer would take that one


def test_the_stamp_is_the_hash_of_everything_else(zipped: Path) -> None:
    with zipfile.ZipFile(zipped) as opened:
        files = {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}
    assert files[archive.STAMP].decode().strip() == archive.stamp_of(files)
    files["impasto/__init__.py"] += b"#"
    assert files[archive.STAMP].decode().strip() != archive.stamp_of(files)


def test_the_same_sources_give_the_same_bytes(built: archive.Archive, zipped: Path, tmp_path: Path) -> None:
    archive.build_krita(ROOT, ROOT / "build" / "vendored").write(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


def test_what_it_carries_is_written_for_the_oldest_host(built: archive.Archive) -> None:
    for name, data in built.files.items():
        if name.endswith(".py"):
            ast.parse(data, name, feature_version=(3, 8))


def test_others_come_with_their_licences(built: archive.Archive) -> None:
    for package in archive.THEIRS:
        assert f"impasto/vendor/{package}/__init__.py" in built.files
        assert built.files[f"impasto/vendor/{package}/LICENSE.txt"]


def test_the_carried_packages_need_nothing_else(built: archive.Archive, tmp_path: Path) -> None:
    """A bare Python, without site-packages, imports the client and the studio out of the archive."""
    for name, data in built.files.items():
        if name.startswith("impasto/vendor/"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    words = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'impasto/vendor')!r}); "
        "import impasto_client.session, impasto_studio.studio, impasto_protocol.places as p; print(p.home())"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_a_network_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ServerUnreachable, match="Connect to the internet"):
        dict(archive.vendored(ROOT / "constraints.txt", tmp_path))
