"""`impasto doctor`: looks at everything that may stand in the way, and says what to do about it."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from impasto_client.discovery import find_server
from impasto_protocol import places
from impasto_protocol.errors import ImpastoError, ServerUnreachable

from impasto_server import __version__
from impasto_server.cli import servers
from impasto_server.cli.serve import devices, nvidia_cards
from impasto_server.config import Config

REQUIRED = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "aiohttp", "msgspec")
_GIB = 1 << 30
_LEAST_DISK = 1 * _GIB  # results are kept for a week; a 4096² layer is 64 MiB
_LEAST_MEMORY = 2 * _GIB  # for Pocket, torch and a picture


@dataclass(frozen=True)
class Finding:
    """One line. `state`: ok, note (works, but could be better) or fix (does not work)."""

    state: str
    what: str
    found: str
    advice: str = ""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_options: argparse.Namespace) -> int:
    home = places.home()
    findings = list(examine(home))
    for finding in findings:
        print(f"{finding.state:<5} {finding.what:<10} {finding.found}")
        if finding.advice:
            print(f"      {'':<10} → {finding.advice}")
    broken = sum(finding.state == "fix" for finding in findings)
    print(f"{broken} to fix." if broken else "Nothing to fix.")
    return 1 if broken else 0


def examine(home: Path) -> Iterator[Finding]:
    yield Finding(
        "ok", "impasto", f"{__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    yield from check_packages()
    yield check_device()
    yield check_memory()
    yield from check_home(home)
    yield check_disk(home)
    try:
        config = Config.load(home)
    except ImpastoError as error:
        yield Finding("fix", "settings", error.sentence)
        config = Config(home)
    yield check_server(home, config)
    yield from check_models(home, config)
    yield from check_plugins()


def check_packages() -> Iterator[Finding]:
    versions = {name: _version(name) for name in REQUIRED}
    missing = [name for name, found in versions.items() if found is None]
    if missing:
        advice = "Install them: sh installers/run.sh"
        yield Finding("fix", "packages", f"not installed: {', '.join(missing)}", advice)
    if len(missing) < len(versions):
        yield Finding(
            "ok", "packages", ", ".join(f"{name} {found}" for name, found in versions.items() if found)
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_device() -> Finding:
    cards = nvidia_cards()
    chosen = devices()
    if cards and chosen == ["cpu"]:
        advice = "Remove .venv and run installers/run.sh again: it sees the card and installs CUDA's build."
        return Finding("fix", "device", f"{cards[0]}, but PyTorch is the CPU build", advice)
    if cards:
        return Finding("ok", "device", "; ".join(cards))
    if shutil.which("nvidia-smi"):
        return Finding(
            "note", "device", "an NVIDIA driver without a card that answers", "Run nvidia-smi to see why."
        )
    names = {
        "cpu": f"CPU, {os.cpu_count()} cores: fine for Pocket, slow for large models",
        "mps": "Apple GPU",
    }
    return Finding("ok", "device", names[chosen[0]])


def check_memory() -> Finding:
    memory = psutil.virtual_memory()
    found = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB free"
    if memory.available < _LEAST_MEMORY:
        return Finding("note", "memory", found, "Close other programs if the server runs out of memory.")
    return Finding("ok", "memory", found)


def check_home(home: Path) -> Iterator[Finding]:
    if not home.exists():
        yield Finding("ok", "home", f"{home} (made at the first start)")
        return
    if not os.access(home, os.W_OK):
        advice = "Make it writable, or set IMPASTO_HOME to a folder that is."
        yield Finding("fix", "home", f"{home} cannot be written", advice)
        return
    yield Finding("ok", "home", str(home))
    token = places.server_file(home)
    if os.name != "nt" and token.exists():
        if stat.S_IMODE(token.stat().st_mode) & 0o077:
            yield Finding("fix", "token", f"{token} can be read by others", f"Run: chmod 600 {token}")
        else:
            yield Finding("ok", "token", f"{token}, readable by you alone")


def check_disk(home: Path) -> Finding:
    place = home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:.1f} GiB free for pictures and models"
    if free < _LEAST_DISK:
        return Finding("fix", "disk", found, f"Free some space on the disk of {place}.")
    return Finding("ok", "disk", found)


def check_server(home: Path, config: Config) -> Finding:
    try:
        address = find_server(home)
        health = servers.health(address)
    except ServerUnreachable as error:
        if places.server_file(home).exists() and "does not answer" in error.sentence:
            return Finding("fix", "server", error.sentence, "Run: impasto stop   then: impasto serve")
        return _check_port(config)
    worker = f"paints on {health.device}" if health.device else "its worker is still starting"
    found = f"running, version {health.version}, port {address.port}; {worker}"
    if health.version != __version__:
        advice = "Run: impasto stop   The next command starts the new one."
        return Finding("fix", "server", f"{found}; this is {__version__}", advice)
    return Finding("ok", "server", found)


def _check_port(config: Config) -> Finding:
    with socket.socket() as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", config.port))
        except OSError:
            advice = "Commands will take another port by themselves; `impasto serve` needs --port."
            return Finding("note", "server", f"not running, and port {config.port} is taken", advice)
    return Finding("ok", "server", f"not running; port {config.port} is free")


def check_models(home: Path, config: Config) -> Iterator[Finding]:
    from impasto_server.models.catalogue import Catalogue

    catalogue = Catalogue(home, config.model_folders)
    names = [info.model for info in catalogue.infos()]
    yield (
        Finding("ok", "models", ", ".join(names))
        if names
        else Finding(
            "fix", "models", "none, not even the embedded one", "Install again: sh installers/run.sh"
        )
    )
    for folder in (places.model_folder(home), *config.model_folders):
        if not folder.is_dir():
            if folder in config.model_folders:
                advice = "Mend model_folders in config.toml."
                yield Finding("note", "models", f"there is no folder {folder}", advice)
            continue
        yield Finding("ok", "models", f"looked for in {folder}")
        yield from _broken_models(folder)


def _broken_models(folder: Path) -> Iterator[Finding]:
    for index in sorted(folder.glob("*/model_index.json")):
        wrong = _what_is_wrong(index.parent)
        if wrong:
            yield Finding("note", "models", f"{index.parent.name} cannot be used", wrong)


def _what_is_wrong(model: Path) -> str:
    from impasto_server.models.folder import read_folder

    try:
        read_folder(model, model.name)
    except ImpastoError as error:
        return error.sentence
    return ""


def check_plugins() -> Iterator[Finding]:
    """Where Krita and Blender keep what is installed in them."""
    user = Path.home()
    data = [user / ".local/share", user / ".var/app/org.kde.krita/data", user / "Library/Application Support"]
    settings = [user / ".config/blender", user / "Library/Application Support/Blender"]
    if os.environ.get("APPDATA"):
        roaming = Path(os.environ["APPDATA"])
        data.append(roaming)
        settings.append(roaming / "Blender Foundation/Blender")
    krita = [found for place in data if (found := place / "krita/pykrita/impasto").is_dir()]
    blender = [found for place in settings for found in sorted(place.glob("*/extensions/*/impasto"))]
    for host, places_found in (("Krita", krita), ("Blender", blender)):
        if places_found:
            yield Finding("ok", "plugin", f"{host}: {', '.join(map(str, places_found))}")
        else:
            yield Finding("note", "plugin", f"{host}: not installed", "Not needed for the command line.")
