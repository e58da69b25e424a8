"""The plugins' archives: what is in them, their stamp, and that the same sources give the same bytes."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from impasto_protocol.errors import ServerUnreachable
from impasto_server import __version__
from impasto_server.plugins import archive

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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


# ── Blender's ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def blenders() -> archive.Archive:
    return archive.build_blender(ROOT, ROOT / "build" / "vendored")


def test_blenders_archive_is_an_extension_and_an_older_addon(blenders: archive.Archive) -> None:
    manifest = tomllib.loads(blenders.files["impasto/blender_manifest.toml"].decode())
    tree = ast.parse(blenders.files["impasto/__init__.py"])
    info = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "bl_info"
    )
    assert manifest["version"] == __version__ == ".".join(map(str, info["version"]))
    assert manifest["name"] == info["name"] == "Impasto"
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert {path.split("/")[0] for path in blenders.files} == {"impasto"}
    for reason in (manifest["tagline"], *manifest["permissions"].values()):
        assert len(reason) <= 64
        assert reason[-1].isalnum()


def test_nothing_in_blenders_archive_is_imported_by_a_name_that_others_use_too(
    blenders: archive.Archive,
) -> None:
    for name, data in blenders.files.items():
        if name.endswith(".py"):
            for node in ast.walk(ast.parse(data, name)):
                named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    named = [node.module or ""]
                carried = {one.partition(".")[0] for one in named} & {*archive.OURS, *archive.THEIRS}
                assert not carried, name


def test_rewriting_changes_imports_alone(blenders: archive.Archive) -> None:
    """Every line that differs from the source is an import, and as far down as before."""
    for package in archive.OURS:
        for path in (ROOT / "protocol" / package).rglob("*.py"):
            before = path.read_bytes().splitlines()
            inside = path.relative_to(ROOT / "protocol").as_posix()
            after = blenders.files[f"impasto/vendor/{inside}"].splitlines()
            assert len(before) == len(after)
            for old, new in zip(before, after, strict=True):
                assert old == new or (b"import" in old and old.split()[-1] == new.split()[-1])


def test_blenders_addon_carries_all_that_it_needs(blenders: archive.Archive, tmp_path: Path) -> None:
    """A bare Python imports the client and both studios, and has none of them under their plain names."""
    for name, data in blenders.files.items():
        if name.startswith("impasto/vendor/"):
            path = tmp_path / "here" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    (tmp_path / "here/impasto/__init__.py").touch()
    words = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "import here.impasto.vendor.impasto_studio.studio as a; "
        "import here.impasto.vendor.impasto_studio.texture.studio as b; "
        "print([name for name in sys.modules if name.split('.')[0] in "
        f"{(*archive.OURS, *archive.THEIRS)!r}])"
    )
    done = subprocess.run([sys.executable, "-S", "-I", "-c", words], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_same_sources_give_the_same_addon(blenders: archive.Archive, tmp_path: Path) -> None:
    blenders.write(tmp_path / "one.zip")
    archive.build_blender(ROOT, ROOT / "build" / "vendored").write(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
