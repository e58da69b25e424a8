"""`impasto models`."""

from __future__ import annotations

import argparse
from pathlib import Path

from impasto_protocol import places

from impasto_server.cli import servers
from impasto_server.config import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(action="list")
    actions = parser.add_subparsers(dest="action", metavar="list | add")
    actions.add_parser("list", help="models the server can paint with, and the ControlNets and LoRAs of each")
    add = actions.add_parser("add", help="use a model that lies elsewhere; nothing is copied")
    add.add_argument("folder", type=Path, help="a folder in diffusers' format, with model_index.json")


def run(options: argparse.Namespace) -> int:
    return _add(options.folder) if options.action == "add" else _list()


def _add(folder: Path) -> int:
    from impasto_server.models.catalogue import Catalogue

    home = places.home()
    info = Catalogue(home, Config.load(home).model_folders).add(folder)
    print(f"{info.model} is added. Paint with it: impasto generate --model {info.model} …")
    return 0


def _list() -> int:
    with servers.connect() as session:
        for info in session.models():
            can = ", ".join(info.capabilities)
            print(f"{info.model:<28} {info.family:<8} {info.native_px:>5} px  {can:<32} {info.title}")
            for what, names in (("controls", info.controls), ("LoRAs", info.loras)):
                if names:
                    print(f"{'':28} {what}: {', '.join(names)}")
    print(f"Looked for in {places.model_folder(places.home())}, and where `impasto models add` points.")
    print(f"ControlNets are looked for in {places.controlnet_folder(places.home())},")
    print(f"LoRAs in {places.lora_folder(places.home())}.")
    return 0
