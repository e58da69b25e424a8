"""`python -m tools.pocket train --budget MINUTES --out DIR` and `python -m tools.pocket evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from . import bundle, icons, memory, train
from .evaluation import run as evaluation

WEIGHTS = Path(__file__).parents[2] / "server" / "impasto_server" / "pocket" / "weights"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tools.pocket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    learn = commands.add_parser("train", help="train Pocket; run again with the same --out to resume")
    learn.add_argument(
        "--budget", type=float, required=True, metavar="MINUTES", help="for all stages together"
    )
    learn.add_argument("--out", type=Path, required=True, help="folder of checkpoints and latents")
    learn.add_argument(
        "--start",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="go on from the weights in this Pocket folder",
    )
    learn.add_argument("--weights", type=Path, default=None, help="folder to export to (default: OUT/model)")
    learn.add_argument("--stages", default=",".join(train.STAGES), help="some of: %(default)s")
    learn.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    learn.add_argument("--seed", type=int, default=1)

    drawings = commands.add_parser("icons", help="fetch the icons from npm and render them")
    drawings.add_argument("--out", type=Path, required=True, help="folder of the rendered icons")

    for name, text in (
        ("pack", "write a training's state as files of at most 15 MiB"),
        ("unpack", "bring a packed state back"),
    ):
        carry = commands.add_parser(name, help=text)
        carry.add_argument("--out", type=Path, required=True, help="folder of the training")
        carry.add_argument("--parts", type=Path, required=True, help="folder of the files")

    evaluation.arguments(
        commands.add_parser("evaluate", help="measure a Pocket, and write its figures and sheets")
    )

    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep()
    if options.command == "train":
        settings = train.Run(
            options.out, options.budget, torch.device(options.device), options.seed, options.start
        )
        try:
            train.run(settings, tuple(options.stages.split(",")), options.weights or options.out / "model")
        except KeyboardInterrupt:
            parser.exit(130, "Stopped. Run the same command again to go on.\n")
    elif options.command == "icons":
        icons.fetch(options.out)
    elif options.command == "pack":
        print(f"{len(bundle.pack(options.out, options.parts))} parts in {options.parts}")
    elif options.command == "unpack":
        print("unpacked" if bundle.unpack(options.parts, options.out) else f"no state in {options.parts}")
    else:
        evaluation.run(options)


if __name__ == "__main__":
    main()
