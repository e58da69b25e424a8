"""`impasto bench`."""

from __future__ import annotations

import argparse
import json

from impasto_protocol.errors import BadValue


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("wire", "overhead", "cancel", "resume", "live"))
    parser.add_argument("--json", action="store_true", help="numbers for programs")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the rounds: a look, not a measurement"
    )
    parser.add_argument("--part", action="append", default=[], help="of `live`: one of its parts alone")


def run(options: argparse.Namespace) -> int:
    from impasto_server.bench import cancel, live, overhead, resume, wire

    benches = {"wire": wire, "overhead": overhead, "cancel": cancel, "resume": resume, "live": live}
    bench = benches[options.what]
    unknown = [part for part in options.part if options.what != "live" or part not in live.PARTS]
    if unknown:
        raise BadValue(f"There is no such part. The parts of `live` are {', '.join(live.PARTS)}.")
    numbers = bench.measure(options.quick, **({"parts": options.part} if options.part else {}))
    print(json.dumps(numbers, indent=2) if options.json else bench.table(numbers))
    return 0
