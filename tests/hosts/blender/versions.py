"""The real Blenders of the tests: `bpy` wheels, each in a virtual environment of its own, made on demand.

`IMPASTO_BPY` names another folder of such environments than build/blender/, by version.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.hosts.blender.places import ROOT

__all__ = ["MAIN", "VERSIONS", "Blenderless", "possible", "python_of"]

# The only place where they stand: version → the Python it is built for.
VERSIONS = {"4.2.23": "3.11", "4.5.15": "3.11", "5.0.1": "3.11", "5.2.3": "3.13"}
MAIN = "4.5.15"  # runs every story; the others those that are marked `every_blender`
INSTALL_S = 900.0  # 350 MB from the package index
IMPORT_S = 60.0
STAMP = "impasto-stamp"


class Blenderless(Exception):
    """Why this version cannot be run here."""


def python_of(version: str) -> Path:
    """The interpreter that has it; installed if need be. Raises `Blenderless`; what failed is not tried again
    in this run."""
    found = _tried(version)
    if isinstance(found, Blenderless):
        raise Blenderless(*found.args)
    return found


@cache
def _tried(version: str) -> Path | Blenderless:
    try:
        return _python_of(version)
    except Blenderless as why:
        return why


def _python_of(version: str) -> Path:
    folder = Path(os.environ.get("IMPASTO_BPY") or ROOT / "build" / "blender") / version
    python = folder / "bin" / "python"
    if "IMPASTO_BPY" not in os.environ:
        interpreter = _interpreter(VERSIONS[version])
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{version}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run of the tests may be at it
            if not (folder / STAMP).exists():
                _install(interpreter, folder, version)
    if not python.exists():
        raise Blenderless(f"{python} is not there")
    loaded = _run([str(python), "-c", "import os, bpy; os._exit(0)"], IMPORT_S)
    if loaded.returncode:
        raise Blenderless(f"bpy {version} does not load: {_last(loaded.stderr)}")
    return python


@cache
def possible() -> tuple[str, ...]:
    """The versions that there is a Python for. Quick: nothing is installed."""
    if "IMPASTO_BPY" in os.environ:
        return tuple(one for one in VERSIONS if (Path(os.environ["IMPASTO_BPY"]) / one).is_dir())
    found = []
    for version, python in VERSIONS.items():
        try:
            _interpreter(python)
        except Blenderless:
            continue
        found.append(version)
    return tuple(found)


def _interpreter(wanted: str) -> str:
    """A Python of that version which can make environments."""
    if sys.version_info[:2] == tuple(map(int, wanted.split("."))):
        return sys.executable
    found = shutil.which(f"python{wanted}")
    if found is None or _run([found, "-c", "import ensurepip, venv"], IMPORT_S).returncode:
        raise Blenderless(f"there is no Python {wanted}, which this Blender is built for")
    return found


def _install(interpreter: str, folder: Path, version: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for command in ([interpreter, "-m", "venv", str(folder)], [*pip, "install", f"bpy=={version}"]):
        done = _run(command, INSTALL_S)
        if done.returncode:
            raise Blenderless(f"bpy {version} cannot be installed: {_last(done.stderr)}")
    (folder / STAMP).touch()


def _run(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no end within {timeout_s:.0f} s")


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]
