"""`impasto bench overhead`: what a job costs besides its pipeline, and what the front weighs.

The same tiny model paints in two processes by turns: through the whole system (from `Session.submit` to the
pixels of the layer in the client's hands), and as a stock diffusers pipeline alone. The difference of the
medians is the overhead. The tiny model takes milliseconds a step, so nothing of it hides behind the model.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from impasto_client.session import Session
from impasto_protocol import places
from impasto_protocol.errors import InternalError
from impasto_protocol.messages import GenerateRequest, JobChanged, JobProgress
from impasto_protocol.rasters import PixelFormat, raster_size

from impasto_server.bench.bare import GUIDANCE, PROMPT
from impasto_server.bench.numbers import in_ms, say, summary
from impasto_server.bench.processes import environment, launch, running
from impasto_server.pool.local import COMPUTING

__all__ = ["MODEL", "SIDE", "build_model", "measure", "table"]

SIDE, STEPS, ROUNDS, WARM_UP = 512, 4, 40, 4
MODEL = "tiny"
_MIB = 1 << 20


def measure(quick: bool = False) -> dict[str, Any]:
    rounds = 6 if quick else ROUNDS
    say(f"Making a tiny model, and starting a server and its pipeline for {rounds} rounds …")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        model = places.model_folder(home) / MODEL
        build_model(home, model)
        with (
            running("impasto_server.cli", home, "serve", "--port", "0"),
            _bare(home, model) as bare,
            _Client(home) as client,
        ):
            for seed in range(WARM_UP):
                client.paint(seed)
                bare(seed)
            client.stages.clear()
            pairs = [(client.paint(seed), bare(seed)) for seed in range(rounds)]
    jobs, alone = [job for job, _ in pairs], [pipeline for _, pipeline in pairs]
    return {
        "side_px": SIDE,
        "steps": STEPS,
        "job": summary(jobs),
        "pipeline": summary(alone),
        "overhead_ms": in_ms(median(jobs) - median(alone)),
        "paired_overhead_ms": in_ms(median(job - pipeline for job, pipeline in pairs)),
        "breakdown_ms": _breakdown(client.stages, median(alone)),
        "memory": _memory(),
    }


def table(numbers: dict[str, Any]) -> str:
    parts, memory = numbers["breakdown_ms"], numbers["memory"]
    return "\n".join(
        [
            f"A job of {numbers['steps']} steps at {numbers['side_px']}²: "
            f"p50 {numbers['job']['p50_ms']:.1f} ms, "
            f"its pipeline alone {numbers['pipeline']['p50_ms']:.1f} ms",
            f"  overhead {numbers['overhead_ms']:.1f} ms "
            f"(median of pairs {numbers['paired_overhead_ms']:.1f} ms)",
            *(f"  {name:<28} {value:>7.2f} ms" for name, value in parts.items()),
            f"The front: {memory['idle_mib']:.0f} MiB idle; with a canvas of 4096² (64 MiB) "
            f"{memory['canvas_mib']:.1f} MiB more",
        ]
    )


class _Client:
    """Paints through the whole system and notes when each stage was reached."""

    def __init__(self, home: Path) -> None:
        self._at: dict[str, float] = {}
        self.stages: list[dict[str, float]] = []
        self._session = Session.connect(home, name="impasto bench", listener=self._heard)

    def __enter__(self) -> _Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def _heard(self, message: JobChanged | JobProgress) -> None:
        if isinstance(message, JobChanged):
            self._at.setdefault(message.state, time.perf_counter())

    def paint(self, seed: int) -> float:
        """Seconds from submit to pixels."""
        request = GenerateRequest(
            PROMPT, model=MODEL, width=SIDE, height=SIDE, steps=STEPS, guidance=GUIDANCE, seed=seed
        )
        self._at = {}
        begin = time.perf_counter()
        job = self._session.submit(request)
        job.wait(120.0)
        end = time.perf_counter()
        at = self._at
        if {"queued", "running", "done"} <= at.keys():
            self.stages.append(
                {
                    "accepted": at["queued"] - begin,
                    "started": at["running"] - at["queued"],
                    "painted": at["done"] - at["running"],
                    "fetched": end - at["done"],
                }
            )
        job.forget()
        return end - begin


def build_model(home: Path, model: Path) -> None:
    """Writes the bench's tiny model, in a process that may know torch."""
    process = launch("impasto_server.bench.bare", home, "build", str(model))
    if process.wait() != 0:
        said = (home / "bench.log").read_text("utf-8", "replace")[-2000:]
        raise InternalError(f"The model of the bench could not be made. It said: {said}")


@contextmanager
def _bare(home: Path, model: Path) -> Iterator[Callable[[int], float]]:
    """A function from seed to the seconds the pipeline alone took, in a process of its own."""
    with (home / "bench.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "impasto_server.bench.bare", "run", str(model), str(SIDE), str(STEPS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={
                **COMPUTING,
                **environment(home),
            },  # as the worker's, or its gain would hide what the job costs
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    given, said = process.stdin, process.stdout

    def once(seed: int) -> float:
        given.write(f"{seed}\n")
        given.flush()
        return float(said.readline())

    try:
        yield once
    finally:
        process.kill()
        process.communicate()


def _breakdown(stages: list[dict[str, float]], alone_s: float) -> dict[str, float]:
    """Medians. `worker and engine` is what painting took beyond the pipeline alone."""
    medians = {name: median(stage[name] for stage in stages) for name in stages[0]} if stages else {}
    return {
        "submit, journal, accepted": in_ms(medians.get("accepted", 0.0)),
        "scheduled, started": in_ms(medians.get("started", 0.0)),
        "worker and engine": in_ms(medians.get("painted", alone_s) - alone_s),
        "layer fetched": in_ms(medians.get("fetched", 0.0)),
    }


def _memory() -> dict[str, float]:
    """Resident MiB of a front that idles, and what a 4096² RGBA canvas adds once it is wholly sent."""
    side, kind = 4096, PixelFormat.RGBA8
    with (
        tempfile.TemporaryDirectory() as folder,
        running("impasto_server.bench.idle", Path(folder)) as process,
        Session.connect(Path(folder), name="impasto bench", shared_memory=False) as session,
    ):
        front = psutil.Process(process.pid)
        time.sleep(0.5)
        idle = front.memory_info().rss
        canvas = session.canvas(side, side, kind)
        canvas.update(bytes(range(256)) * (raster_size(side, side, kind) // 256))
        canvas.acknowledged(60.0)
        session.jobs()  # the front holds the last frame until the next one comes
        time.sleep(0.5)
        loaded = front.memory_info().rss
    return {
        "idle_mib": round(idle / _MIB, 1),
        "canvas_mib": round((loaded - idle) / _MIB, 1),
        "canvas_raw_mib": raster_size(side, side, kind) / _MIB,
    }
