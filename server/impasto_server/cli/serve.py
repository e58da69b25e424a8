"""`impasto serve`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from impasto_protocol import places

from impasto_server.config import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", help="an address of this machine; default: 127.0.0.1")
    parser.add_argument("--port", type=int, help="0 takes any free one; default: 8641")


def run(options: argparse.Namespace) -> int:
    from impasto_server.front.app import ServerInfo, serve
    from impasto_server.front.auth import write_private
    from impasto_server.pool.local import LocalPool

    home = places.home()
    chosen = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    config = dataclasses.replace(Config.load(home), **chosen)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    given = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "impasto_server.cli", "serve", *given]

    def ready(info: ServerInfo) -> None:
        try:  # so that the plugins can start it as it was started now
            write_private(places.launch_file(home), {"command": command})
        except OSError as error:
            logging.warning("The plugins cannot start the server by themselves: %s", error)
        print(f"Impasto {info.version} listens on {info.host}:{info.port}. Ctrl+C stops it.", flush=True)

    log = places.log_folder(home) / "worker.log"
    pool = LocalPool(devices(), places.blob_folder(home), home, log=log)
    asyncio.run(serve(config, pool, on_ready=ready))
    return 0


def devices() -> list[str]:
    """Devices to start a worker on each, as torch names them; found without importing torch."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = ""
    if "+cpu" not in torch and (cards := nvidia_cards()):
        return [f"cuda:{number}" for number in range(len(cards))]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return ["mps"]
    return ["cpu"]


def nvidia_cards() -> list[str]:
    """One line for each card: name, memory, driver. Empty without cards or driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
