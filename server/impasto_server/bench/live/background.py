"""Live previews while a 30-step job runs in the background: what both pay, with pre-emption and without.

The job is image to image at twice the model's native size and follows a control image; the preview is small
and takes two steps: so a step of the one is long against a frame of the other. With pre-emption off the
engine's step gate stays shut: the preview then waits for the whole job, as in servers that work off a queue.

Torch has one core here: what the painter's program takes of the others would else be counted as delay.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from impasto_client.session import Job
from impasto_protocol.errors import InternalError
from impasto_protocol.messages import FINAL_STATES, Control, GenerateRequest, JobChanged, JobProgress
from impasto_protocol.rasters import PixelFormat

from impasto_server.bench.live.artist import SIDE, WAIT_S, Artist, Pen
from impasto_server.bench.live.noted import ENGINES, MODULE, PRODUCT_ENGINE, notes
from impasto_server.bench.numbers import bar, in_ms, said, say, summary
from impasto_server.bench.picture import painting
from impasto_server.bench.processes import running

__all__ = ["measure", "table"]

JOB_SIDE, JOB_STEPS, STRENGTH = 2 * SIDE, 30, 0.5
LIVE_SIDE, LIVE_STEPS = 128, 2
POINTS = 6  # of a stroke: 50 ms
IDLE, JOBS, UNYIELDING_JOBS = 40, 3, 3


@dataclass
class Ran:
    """A job that has ended: when it was running, by `time.monotonic`, and what it painted."""

    begun_s: float
    ended_s: float
    step_s: float
    pixels: bytes

    @property
    def took_s(self) -> float:
        return self.ended_s - self.begun_s


def measure(quick: bool = False) -> dict[str, Any]:
    idle, jobs, unyielding = (6, 1, 2) if quick else (IDLE, JOBS, UNYIELDING_JOBS)
    steps = 6 if quick else JOB_STEPS
    say(f"{2 * jobs + 1} background jobs of {steps} steps, half of them while somebody draws …")
    with _painting(PRODUCT_ENGINE) as (home, artist):
        pen = Pen(LIVE_SIDE)
        resting = summary([_stroke(artist, pen) for _ in range(idle)])
        _runs(artist, 2)  # what is slow the first time
        alone: list[Ran] = []
        beside: list[Ran] = []
        drawn: list[float] = []
        device: list[float] = []
        for _ in range(jobs):  # in turns: the machine may have become slower meanwhile
            alone.append(_runs(artist, steps))
            beside.append(_runs(artist, steps, drawn, pen))
            device.append(_device_s(home, beside[-1]))
    say(f"{unyielding} background jobs with pre-emption off …")
    with _painting(f"{ENGINES}:Unyielding") as (_, artist):
        waited: list[float] = []
        for _ in range(unyielding):
            _runs(artist, steps, waited, Pen(LIVE_SIDE))
    step_s = median(ran.step_s for ran in alone)
    busy, shut = summary(drawn), summary(waited)
    delay = median(ran.took_s for ran in beside) - median(ran.took_s for ran in alone)
    equal = sum(ran.pixels == alone[0].pixels for ran in alone + beside)
    return {
        "side_px": LIVE_SIDE,
        "live_steps": LIVE_STEPS,
        "job": {"side_px": JOB_SIDE, "steps": steps, "step_ms": in_ms(step_s)},
        "job_alone_ms": in_ms(median(ran.took_s for ran in alone)),
        "job_beside_ms": in_ms(median(ran.took_s for ran in beside)),
        "delay_ms": in_ms(delay),
        "previews_device_ms": in_ms(median(device)),
        "idle": resting,
        "busy": busy,
        "without_pre_emption": shut,
        "bars": [
            bar(
                "preview p95 beside the job, against idle p95 + 1.2 of its steps",
                busy["p95_ms"],
                "≤",
                round(resting["p95_ms"] + 1.2 * in_ms(step_s), 1),
                " ms",
            ),
            bar("p95 without pre-emption, over p95 with it", shut["p95_ms"] / busy["p95_ms"], "≥", 25.0, "×"),
            bar("jobs with the bytes of an undisturbed one", equal, "=", len(alone + beside)),
            bar("the job's delay, over the device time of the previews", delay / median(device), "≤", 1.05),
        ],
    }


def table(numbers: dict[str, Any]) -> str:
    job = numbers["job"]
    return "\n".join(
        [
            f"Previews of {numbers['live_steps']} steps at {numbers['side_px']}² px beside a job "
            f"of {job['steps']} steps, {job['step_ms']:.0f} ms each, at {job['side_px']}² px",
            f"  idle {said(numbers['idle'])}; beside the job {said(numbers['busy'])}; "
            f"pre-emption off {said(numbers['without_pre_emption'])}",
            f"  the job took {numbers['job_alone_ms']:.0f} ms alone, {numbers['job_beside_ms']:.0f} ms "
            f"beside previews that held the device for {numbers['previews_device_ms']:.0f} ms",
        ]
    )


@contextmanager
def _painting(engine: str) -> Iterator[tuple[Path, Artist]]:
    """A server with this engine, and an artist whose previews are warm."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with (
            running(MODULE, home, engine),
            Artist(home, side=LIVE_SIDE, steps=LIVE_STEPS, refine_steps=-1) as artist,
        ):
            pen = Pen(LIVE_SIDE)
            artist.begin(pen.pixels)
            for _ in range(3):
                _stroke(artist, pen)
            yield home, artist


def _stroke(artist: Artist, pen: Pen) -> float:
    """Seconds from the last point of a short stroke to its preview."""
    last = artist.draw(pen, POINTS)
    return artist.took_s(artist.preview_of(last))


def _runs(artist: Artist, steps: int, drawn: list[float] | None = None, pen: Pen | None = None) -> Ran:
    """Runs the job. With a pen, strokes are drawn as long as it samples, each when the one before is seen;
    how long their previews took goes to `drawn`."""
    picture = artist.session.canvas(JOB_SIDE, JOB_SIDE, PixelFormat.RGBA8)
    ref = picture.update(painting(JOB_SIDE, seed=2).tobytes())
    request = GenerateRequest(
        "a lake",
        image=ref,
        strength=STRENGTH,
        steps=round(steps / STRENGTH),
        seed=3,
        controls=(Control("scribble", ref, 0.5),),
    )
    artist.heard.clear()
    job = artist.session.submit(request, urgency="batch")
    _until(lambda: any(isinstance(one, JobProgress) and one.step > 0 for one, _ in artist.heard), job)
    while pen is not None and drawn is not None and job.state not in FINAL_STATES:
        last = artist.draw(pen, POINTS)
        beside = job.state not in FINAL_STATES
        came = artist.preview_of(last)
        if beside:
            drawn.append(artist.took_s(came))
    (layer,) = job.wait(WAIT_S)
    job.forget()
    picture.close()
    changes = {one.state: at for one, at in artist.heard if isinstance(one, JobChanged)}
    sampled = {
        one.step: at for one, at in reversed(artist.heard) if isinstance(one, JobProgress) and one.step > 0
    }
    first, last = min(sampled), max(sampled)
    step_s = (sampled[last] - sampled[first]) / max(1, last - first)
    return Ran(changes["running"], changes["done"], step_s, layer.pixels)


def _until(condition: Any, job: Job) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > deadline or job.state in FINAL_STATES:
            raise InternalError("The bench's job does not get on. Look into the log of the bench.")
        time.sleep(0.0005)


def _device_s(home: Path, ran: Ran) -> float:
    """Of the previews that were painted while the job ran."""
    return float(
        sum(
            note["device_s"]
            for note in notes(home)
            if note["what"] == "painted" and ran.begun_s <= note["at_s"] <= ran.ended_s
        )
    )
