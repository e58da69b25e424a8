"""What Impasto costs in the real Krita: `python -m tests.bench.bench_krita [turns]`.

A stroke of 128² px, then the picture captured, sent, given back by a server without a model, and put in as a
layer. Medians of turns at two sizes, in turns with each other; and the processor time of an idle docker.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from impasto_server.plugins.archive import build_krita

from tests.hosts.krita import harness
from tests.hosts.server import Server

SIDES = (1024, 2048)
IDLE_S = 20.0


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_krita(harness.ROOT, harness.ROOT / "build" / "vendored").write(folder / "plugin.zip")
        with zipfile.ZipFile(folder / "plugin.zip") as archive:
            archive.extractall(folder / "plugin")
        server = Server(folder / "server", ("tests.bench.instant",))
        server.start()
        try:
            home = harness.throw_away(folder / "cache", folder / "home")
            krita = harness.Krita(home, plugin=folder / "plugin", environment=server.environment)
            try:
                measure(krita, turns)
                krita.quit()
            finally:
                krita.kill()
        finally:
            server.stop()


def measure(krita: harness.Krita, turns: int) -> None:
    rows: dict[int, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(3):
        for side in SIDES:
            rows[side] += krita.call(
                "stopwatch.round_trips", side=side, turns=max(1, turns // 3), timeout_s=300
            )
    for side, found in rows.items():
        print(f"{side}², {len(found)} turns, ms: median (longest)")
        for stage in found[0]:
            values = [one[stage] for one in found]
            print(f"  {stage:<24} {statistics.median(values):7.1f} ({max(values):.1f})")
    krita.call("artist.new_document", width=1024, height=1024)
    time.sleep(3)
    idle = krita.call("stopwatch.idle", seconds=IDLE_S)
    print(f"idle, {idle['number']} polls: {100 * idle['polls']:.2f} % of a core for polling, ", end="")
    print(f"{100 * idle['program']:.1f} % for the whole program")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
