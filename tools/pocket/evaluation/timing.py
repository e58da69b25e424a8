"""How long a picture takes as artists get it: whole jobs through a running server; and loading Pocket."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .book import Result, Row

ROUNDS = 7
_LOAD = """
import sys, time, torch
begun = time.perf_counter()
from pathlib import Path
from impasto_protocol.messages import GenerateRequest
from impasto_server.engine.diffusion import DiffusionEngine
from tools.pocket.evaluation.gate import OpenGate
imported = time.perf_counter()
engine = DiffusionEngine(device="cpu", home=Path(sys.argv[1]))
def paint():
    at = time.perf_counter()
    request = GenerateRequest("a red circle", model=sys.argv[2], steps=1, seed=1)
    engine.generate(request, {}, OpenGate())
    return time.perf_counter() - at
first = paint()
print(imported - begun, imported - begun + first - paint())
"""


def picture(weights: Path, rounds: int = ROUNDS) -> Result:
    """Seconds from submit to the layer's pixels at the native size, with a warm server, in 4 and 20 steps;
    and seconds from importing torch to a loaded model. Medians.
    """
    from impasto_client.session import Session
    from impasto_protocol.messages import GenerateRequest
    from impasto_server.bench.processes import running

    with home_of(weights) as (home, model):
        loads = [_load(home, model) for _ in range(3)]
        with (
            running("impasto_server.cli", home, "serve", "--port", "0"),
            Session.connect(home, name="pocket evaluation") as session,
        ):

            def paint(steps: int, seed: int) -> float:
                begun = time.perf_counter()
                job = session.submit(
                    GenerateRequest("a red circle on a blue background", model=model, steps=steps, seed=seed)
                )
                job.wait(300.0)
                seconds = time.perf_counter() - begun
                job.forget()
                return seconds

            paint(4, 0)
            timed = {steps: [paint(steps, seed) for seed in range(rounds)] for steps in (4, 20)}
    importing, whole = zip(*loads, strict=True)
    rows = [
        _row("256 px in 4 steps, whole job through the server", timed[4], 1.0),
        _row("256 px in 20 steps, whole job through the server", timed[20], 4.0),
        _row("package load beyond importing torch", whole, 2.0),
        _row("of this, importing the engine", importing),
    ]
    return Result(rows, {"cores": os.cpu_count(), "threads of torch": 1})


def _row(what: str, seconds: Sequence[float], bar: float | None = None) -> Row:
    return Row(what, median(seconds), len(seconds), "s", min(seconds), max(seconds), bar, at_most=True)


@contextmanager
def home_of(weights: Path) -> Iterator[tuple[Path, str]]:
    """A home that is thrown away, and the name under which the weights are a model there."""
    from impasto_server import pocket

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if weights.resolve() == pocket.folder():
            yield home, "pocket"
            return
        (home / "models").mkdir()
        (home / "models" / "candidate").symlink_to(weights.resolve(), target_is_directory=True)
        yield home, "candidate"


def _load(home: Path, model: str) -> tuple[float, float]:
    """Seconds to import the engine, and until a model is loaded, in a fresh process that has imported torch.

    Loading is what the first picture of one step takes longer than the second.
    """
    told = subprocess.run(
        [sys.executable, "-c", _LOAD, str(home), model],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()
    return float(told[-2]), float(told[-1])
