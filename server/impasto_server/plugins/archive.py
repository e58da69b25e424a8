"""Builds the plugins' archives: their own files, our protocol packages and what those need, and a stamp.

The archive holds everything: the hosts' Pythons are older than ours (3.8 and up) and have no pip. Packages of
others are not in the repository; they are downloaded at the versions that constraints.txt names for Python
3.8, once. The same sources give the same bytes.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from impasto_protocol.errors import BadValue, ServerUnreachable
from packaging.requirements import Requirement

from impasto_server import __version__
from impasto_server.plugins.relative import relative

__all__ = ["STAMP", "Archive", "build_blender", "build_krita", "clone", "stamp_of", "vendored"]

STAMP = "impasto/STAMP"
VENDOR = "impasto/vendor"
OLDEST_PYTHON = "3.8"
OURS = ("impasto_protocol", "impasto_client", "impasto_studio")
THEIRS = ("wsproto", "h11", "platformdirs")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can tell


@dataclass(frozen=True)
class Archive:
    """What goes in: path → bytes."""

    files: dict[str, bytes]

    def write(self, path: Path) -> None:
        """Writes the zip, with an entry for every folder (Krita's importer looks for them) and the stamp."""
        path.parent.mkdir(parents=True, exist_ok=True)
        files = {**self.files, STAMP: f"{stamp_of(self.files)}\n".encode()}
        part = path.with_name(path.name + ".part")
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as out:
            for folder in sorted(
                {f"{up}/" for name in files for up in PurePosixPath(name).parents if up.name}
            ):
                out.writestr(zipfile.ZipInfo(folder, _EPOCH), b"")
            for name, data in sorted(files.items()):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                out.writestr(entry, data)
        part.replace(path)


def stamp_of(files: dict[str, bytes]) -> str:
    """SHA-256 over every name and content but the stamp's own: what a plugin was built from, in 64 digits."""
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        if name != STAMP:
            whole.update(f"{name}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()


def clone() -> Path:
    """The folder that holds the plugins and protocol/. Raises `BadValue` when this is no clone."""
    root = Path(__file__).parents[3]
    if not (root / "krita_plugin").is_dir():
        raise BadValue("The plugins are built from a clone of Impasto. Clone it, and run this from there.")
    return root


def build_krita(root: Path, wheels: Path) -> Archive:
    """Krita's archive, as its *Import Python Plugin* wants it. `wheels`: where downloads are kept."""
    return Archive({**_tree_of(root / "krita_plugin"), **_carried(root, wheels)})


def build_blender(root: Path, wheels: Path) -> Archive:
    """Blender's archive: an extension (4.2 and up), and an add-on of the older kind. Blender's interpreter is
    shared by all of them, so what this one carries is imported from inside it alone. `wheels`: as above."""
    files = {**_tree_of(root / "blender_addon"), **_carried(root, wheels)}
    files[f"{VENDOR}/__init__.py"] = b""
    for name, data in files.items():
        if name.endswith(".py"):
            package = ".".join(PurePosixPath(name).parent.parts)
            files[name] = relative(data, package, VENDOR.replace("/", "."), (*OURS, *THEIRS))
    return Archive(files)


def _tree_of(plugin: Path) -> dict[str, bytes]:
    """A plugin's own files; what a developer put into vendor/ aside."""
    return {name: data for name, data in _tree(plugin) if "/vendor/" not in name}


def _carried(root: Path, wheels: Path) -> dict[str, bytes]:
    """What every plugin carries."""
    files = {}
    for package in OURS:
        for name, data in _tree(root / "protocol" / package):
            files[f"{VENDOR}/{package}/{name}"] = data
    for name, data in vendored(root / "constraints.txt", wheels):
        files[f"{VENDOR}/{name}"] = data
    files["impasto/VERSION"] = f"{__version__}\n".encode()
    files["impasto/LICENSE"] = (root / "LICENSE").read_bytes()
    return files


def vendored(constraints: Path, wheels: Path) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of the packages of others, with their licences. Raises `ServerUnreachable` when one is
    not here and cannot be downloaded."""
    pins = _pins(constraints)
    for package in THEIRS:
        pin = pins[package]
        with zipfile.ZipFile(_wheel(package, pin, wheels)) as wheel:
            for name in wheel.namelist():
                head, _, rest = name.partition("/")
                if head == package and not name.endswith("/"):
                    yield name, wheel.read(name)
                elif head.endswith(".dist-info") and "LICENSE" in rest.upper():
                    yield f"{package}/LICENSE.txt", wheel.read(name)


def _wheel(package: str, version: str, wheels: Path) -> Path:
    path = wheels / f"{package}-{version}-py3-none-any.whl"
    if not path.exists():
        wheels.mkdir(parents=True, exist_ok=True)
        words = ["download", "--quiet", "--no-deps", "--disable-pip-version-check", "--only-binary", ":all:"]
        words += ["--python-version", OLDEST_PYTHON, "--dest", str(wheels), f"{package}=={version}"]
        done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)  # noqa: S603
        if done.returncode or not path.exists():
            raise ServerUnreachable(
                f"{package} {version}, which the plugin carries, could not be downloaded. Connect to the "
                f"internet and try again. pip said: {(done.stderr.strip().splitlines() or ['nothing'])[-1]}"
            )
    return path


def _pins(constraints: Path) -> dict[str, str]:
    """Package → version for the oldest Python of the hosts."""
    environment = {"python_version": OLDEST_PYTHON}
    pins = {}
    for line in constraints.read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate(environment):
                pins[wanted.name] = str(wanted.specifier).removeprefix("==")
    return pins


def _tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in inside.parts):
            yield inside.as_posix(), path.read_bytes()
