"""`impasto krita`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from impasto_server.plugins import krita
from impasto_server.plugins.archive import build_krita, clone


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="install | archive", required=True)
    actions.add_parser("install", help="put the plugin into Krita and switch it on")
    archive = actions.add_parser("archive", help="write the zip for Tools → Scripts → Import Python Plugin")
    archive.add_argument("--out", type=Path, default=Path("dist/impasto-krita.zip"), metavar="FILE")


def run(options: argparse.Namespace) -> int:
    root = clone()
    built = build_krita(root, root / "build" / "vendored")
    if options.action == "archive":
        built.write(options.out)
        print(f"{options.out} is ready. In Krita: Tools → Scripts → Import Python Plugin from File…")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "impasto-krita.zip"
        built.write(path)
        for one in krita.find():
            krita.install(path, one)
            print(f"The plugin lies in {one.resources / 'pykrita'} and is switched on.")
    print("Start Krita again, then open Settings → Dockers → Impasto.")
    return 0
