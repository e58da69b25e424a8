"""`impasto …`: a client like any other, and `serve`.

Exit codes: 0 done · 1 `doctor` found something to fix · 2 something in the request is wrong · 3 the server
cannot be reached or started · 4 the job failed, or its result could not be written · 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from impasto_protocol.errors import FrameError, ImpastoError, RequestError, ServerError, WorkerCrashed

from impasto_server import __version__

__all__ = ["COMMANDS", "main"]

BAD_REQUEST, NO_SERVER, FAILED, INTERRUPTED = 2, 3, 4, 130

# Command → what it does. Each is a module here with `arguments(parser)` and `run(options) -> exit code`;
# only the one that is asked for is imported.
COMMANDS: Mapping[str, str] = {
    "serve": "run the server in this terminal",
    "generate": "paint a picture: from words, over a picture, or inside a mask",
    "live": "watch a picture that is being painted, and paint previews of it",
    "control-map": "make a picture's edges or scribble, for --control of `generate`",
    "demo": "inpaint a photograph that comes with Impasto, and check the result",
    "replay": "paint a PNG of Impasto's again, to the same bytes",
    "jobs": "list, cancel or fetch jobs",
    "models": "list models, or add a folder",
    "krita": "put the plugin into Krita, or build its archive",
    "blender": "put the add-on into Blender, or build its archive",
    "pocket": "write the model card of the embedded model",
    "doctor": "check this machine, and say what to do about each problem",
    "stop": "stop the server",
    "bench": "measure the wire, the overhead of a job, live previews, or the start after a crash",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Every error becomes one sentence on stderr and an exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser(words).parse_args(words)
        return int(_module(options.command).run(options))
    except KeyboardInterrupt:
        print("\nimpasto: stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `impasto jobs | head`: whoever read has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ImpastoError as error:
        print(f"impasto: {error.sentence}", file=sys.stderr)
        return exit_code(error)


def exit_code(error: ImpastoError) -> int:
    if isinstance(error, (RequestError, FrameError)):
        return BAD_REQUEST
    if isinstance(error, ServerError) and not isinstance(error, WorkerCrashed):
        return NO_SERVER
    return FAILED


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="impasto", description="Image diffusion on your own machine, for Krita and Blender."
    )
    parser.add_argument("--version", action="version", version=f"impasto {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, does in COMMANDS.items():
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if name in words[:1]:
            _module(name).arguments(command)
    return parser


def _module(command: str) -> _Command:
    return importlib.import_module(f"impasto_server.cli.{command.replace('-', '_')}")  # type: ignore[return-value]


class _Command(Protocol):
    """What a command module offers."""

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None: ...

    @staticmethod
    def run(options: argparse.Namespace) -> int: ...
