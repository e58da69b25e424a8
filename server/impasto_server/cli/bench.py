"""`impasto bench`."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("wire", "overhead", "cancel", "resume"))
    parser.add_argument("--json", action="store_true", help="numbers for programs")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the rounds: a look, not a measurement"
    )


def run(options: argparse.Namespace) -> int:
    from impasto_server.bench import cancel, overhead, resume, wire

    bench = {"wire": wire, "overhead": overhead, "cancel": cancel, "resume": resume}[options.what]
    numbers = bench.measure(quick=options.quick)
    print(json.dumps(numbers, indent=2) if options.json else bench.table(numbers))
    return 0
