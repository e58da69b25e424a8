"""The same deaths, seen by a program that is connected through the real WebSocket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from impasto_client.session import Session
from impasto_protocol.errors import WorkerCrashed
from impasto_protocol.messages import GenerateRequest, JobProgress

from tests.fakes.engine import painted

pytestmark = [pytest.mark.faults, pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")]
WAIT_S = 60.0


@contextmanager
def server(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A server process that listens; killed at the end if it still runs."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "IMPASTO_FAKE_STEP_S": "0.02",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.serve", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def request(prompt: str, seed: int, steps: int = 20) -> GenerateRequest:
    return GenerateRequest(prompt, seed=seed, steps=steps)


def test_a_killed_server_finishes_its_queue_and_the_client_gets_every_result(tmp_path: Path) -> None:
    with server(tmp_path) as process:
        session = Session.connect(tmp_path, "test", "a" * 32)
        jobs = [session.submit(request("a fox", seed)) for seed in range(3)]
        second = Session.connect(tmp_path, "test", "b" * 32)
        others = second.submit(request("a hen", 9))
        seen: list[JobProgress] = []
        with pytest.raises(TimeoutError):
            jobs[0].wait(0.2, seen.append)
        process.kill()
        process.wait()
    with server(tmp_path):
        for seed, job in enumerate(jobs):
            assert [layer.pixels for layer in job.wait(WAIT_S)] == [painted(request("a fox", seed))]
        assert [layer.pixels for layer in others.wait(WAIT_S)] == [painted(request("a hen", 9))]
        assert len(session.jobs()) == 3
        session.close()
        second.close()


def test_a_killed_worker_costs_time_and_nothing_else(tmp_path: Path) -> None:
    with server(tmp_path) as process:
        session = Session.connect(tmp_path, "test", "a" * 32)
        session.models()
        job = session.submit(request("a fox", 1, steps=50))

        def kill_once(progress: JobProgress) -> None:
            if progress.step and not killed:
                (worker,) = psutil.Process(process.pid).children()
                killed.append(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

        killed: list[int] = []
        assert [layer.pixels for layer in job.wait(WAIT_S, kill_once)] == [
            painted(request("a fox", 1, steps=50))
        ]
        assert killed
        with pytest.raises(WorkerCrashed):
            session.submit(request("die", 1)).wait(WAIT_S)
        assert len(session.submit(request("a fox", 2)).wait(WAIT_S)) == 1, "the next job works"
        session.close()


def test_takes_of_a_killed_worker_and_a_killed_server_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    asked = GenerateRequest("a fox", seed=5, steps=10, takes=4)
    with server(tmp_path) as process:
        session = Session.connect(tmp_path, "test", "a" * 32)
        session.models()
        job = session.submit(asked)
        session.wait_until(lambda: len(job.layers) == 2, WAIT_S)
        (worker,) = psutil.Process(process.pid).children()
        os.kill(worker.pid, signal.SIGKILL)
        session.wait_until(lambda: len(job.layers) == 3, WAIT_S)
        process.kill()
        process.wait()
    with server(tmp_path):
        layers = job.wait(WAIT_S)
        assert [layer.info.recipe.request.seed for layer in layers] == [5, 6, 7, 8]
        assert [layer.pixels for layer in layers] == [
            painted(request("a fox", 5 + take, 10)) for take in range(4)
        ]
        session.close()


def test_a_cancel_keeps_what_is_finished_over_a_kill_until_it_is_forgotten(tmp_path: Path) -> None:
    with server(tmp_path) as process:
        session = Session.connect(tmp_path, "test", "a" * 32)
        job = session.submit(GenerateRequest("a fox", seed=5, steps=20, takes=8))
        session.wait_until(lambda: bool(job.layers), WAIT_S)
        assert job.state == "running"
        assert session.fetch_layer(job, 0).pixels == painted(request("a fox", 5))
        job.cancel()
        kept = job.wait(WAIT_S)
        assert job.state == "cancelled"
        assert 1 <= len(kept) < 8
        process.kill()
        process.wait()
    with server(tmp_path):
        (known,) = session.jobs()
        assert (known.state, known.layers) == ("cancelled", tuple(layer.info for layer in kept))
        for index, layer in enumerate(kept):
            assert (
                session.fetch_layer(job.id, index).pixels
                == layer.pixels
                == painted(request("a fox", 5 + index))
            )
            assert session.thumbnail(job.id, index, 64)[3]
        job.forget()
        assert session.jobs() == []
        session.close()


def test_a_cancel_is_heard_even_if_the_client_leaves_at_once(tmp_path: Path) -> None:
    with server(tmp_path):
        for seed in range(10):
            session = Session.connect(tmp_path, "test", "a" * 32)
            job = session.submit(request("a fox", seed, steps=100))
            with pytest.raises(TimeoutError):
                job.wait(0.1)
            job.cancel()
            session.close()
        witness = Session.connect(tmp_path, "test", "a" * 32)
        assert [summary.state for summary in witness.jobs()] == ["cancelled"] * 10
        witness.close()
