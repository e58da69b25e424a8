"""`impasto blender`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from impasto_protocol.errors import BadValue

from impasto_server.plugins import blender
from impasto_server.plugins.archive import build_blender, clone

_NONE = (
    "No Blender of yours was found. Start Blender once, so that it makes its folder, and run this again; or "
    "run “impasto blender archive” and install that from Blender's preferences."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="install | archive", required=True)
    actions.add_parser("install", help="put the add-on into every Blender of yours")
    archive = actions.add_parser(
        "archive", help="write the zip for Install from Disk in Blender's preferences"
    )
    archive.add_argument("--out", type=Path, default=Path("dist/impasto-blender.zip"), metavar="FILE")


def run(options: argparse.Namespace) -> int:
    root = clone()
    built = build_blender(root, root / "build" / "vendored")
    if options.action == "archive":
        built.write(options.out)
        print(f"{options.out} is ready. In Blender: Edit → Preferences → Add-ons → ⌄ → Install from Disk…")
        return 0
    found = blender.find()
    if not found:
        raise BadValue(_NONE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "impasto-blender.zip"
        built.write(path)
        for one in found:
            blender.install(path, one)
            print(f"The add-on lies in {one.plugins}.")
    print("Start Blender again, tick Impasto in Edit → Preferences → Add-ons, and press N in the 3D View.")
    return 0
