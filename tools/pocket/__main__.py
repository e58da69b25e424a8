"""`python -m tools.pocket train --budget MINUTES --out DIR` and `python -m tools.pocket evaluate`."""

from __future__ import annotations

import argparse
import ctypes
import sys
from pathlib import Path

import torch

from . import train

WEIGHTS = Path(__file__).parents[2] / "server" / "impasto_server" / "pocket" / "weights"


def keep_memory() -> None:
    """Tell glibc to keep freed memory: otherwise every step gives its tensors back to the kernel and faults
    them in again, which cost 15 % of a training step.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
        libc = ctypes.CDLL(None)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_threshold, 32 * 2**20)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tools.pocket", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    learn = commands.add_parser("train", help="train Pocket; run again with the same --out to resume")
    learn.add_argument(
        "--budget", type=float, required=True, metavar="MINUTES", help="for all stages together"
    )
    learn.add_argument("--out", type=Path, required=True, help="folder of checkpoints and latents")
    learn.add_argument("--weights", type=Path, default=None, help="folder to export to (default: OUT/model)")
    learn.add_argument("--stages", default=",".join(train.STAGES), help="some of: %(default)s")
    learn.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    learn.add_argument("--seed", type=int, default=1)

    judge = commands.add_parser("evaluate", help="figures and a contact sheet of a Pocket folder")
    judge.add_argument("--weights", type=Path, default=WEIGHTS)
    judge.add_argument("--out", type=Path, default=None, help="folder for figures.json and sheet.png")
    judge.add_argument("--prompts", type=int, default=100)
    judge.add_argument("--steps", type=int, default=20)
    judge.add_argument("--guidance", type=float, default=3.0)
    judge.add_argument("--size", type=int, default=None, metavar="PX")

    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    if options.command == "train":
        settings = train.Run(options.out, options.budget, torch.device(options.device), options.seed)
        train.run(settings, tuple(options.stages.split(",")), options.weights or options.out / "model")
    else:
        from . import evaluate

        evaluate.main(
            options.weights, options.out, options.prompts, options.steps, options.guidance, options.size
        )


if __name__ == "__main__":
    main()
