"""`impasto control-map`."""

from __future__ import annotations

import argparse
from pathlib import Path

from impasto_protocol.messages import GenerateRequest

from impasto_server.cli import images, painting, servers
from impasto_server.controls import KINDS, check_kind


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--image", type=Path, required=True, help="the picture to look at")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write, for --control KIND=FILE")


def run(options: argparse.Namespace) -> int:
    check_kind(options.kind)
    painting.targets(options.out, 1)
    picture = images.load_picture(options.image)
    with servers.connect() as session:
        request = GenerateRequest("", image=painting.send(session, picture), make_map=options.kind)
        painting.write_all(session, painting.paint(session, request), options.out, picture)
    print(options.out)
    return 0
