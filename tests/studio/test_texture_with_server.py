"""The texture studio against the real front and real worker processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from impasto_studio.texture.studio import TextureStudio
from impasto_studio.texture.view import TextureState

from tests.studio.texture_fakes import CUBE, SUZANNE, Plinth
from tests.studio.texture_server import PAINTED

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
PATIENCE_S = 30.0


@contextmanager
def server(home: Path, step_s: float = 0.005) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "IMPASTO_FAKE_STEP_S": str(step_s),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.studio.texture_server", str(home)],
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


class Driven:
    def __init__(self, plinth: Plinth, home: Path) -> None:
        self.plinth = plinth
        self.studio = TextureStudio(plinth, home, on_view=lambda _: None)
        self.studio.open()

    def until(self, condition: Callable[[TextureState], object]) -> TextureState:
        end = time.monotonic() + PATIENCE_S
        while True:
            self.plinth.turn()
            if condition(self.studio.view):
                return self.studio.view
            assert time.monotonic() < end, f"it did not come to that: {self.studio.view}"
            self.studio.poll()
            time.sleep(0.005)

    def start(self, **fields: object) -> None:
        self.until(lambda view: view.link.state == "ready")
        intent = replace(self.studio.view.intent, prompt="red brick", around=2, **fields)  # type: ignore[arg-type]
        self.studio.change(intent)
        self.until(lambda view: view.can_start and view.intent == intent)
        self.studio.start()


@contextmanager
def driven(plinth: Plinth, home: Path) -> Iterator[Driven]:
    one = Driven(plinth, home)
    try:
        yield one
    finally:
        one.studio.close()
        for worker in one.studio._workers:
            worker.join(10.0)


def texel(plinth: Plinth, number: int = -1) -> list[int]:
    return list(plinth.put_on[number].pictures[0].pixels[:4])


def test_objects_are_textured_and_worked_on(tmp_path: Path) -> None:
    plinth = Plinth(objects=[SUZANNE, CUBE])
    with server(tmp_path), driven(plinth, tmp_path) as one:
        one.start(seed=5)
        view = one.until(lambda view: view.results and view.results[0].applied)
        assert (view.results[0].covered, view.results[0].seed, view.results[0].views) == (0.5, 5, 2)
        assert (len(plinth.put_on[0].pictures), texel(plinth)) == (2, [PAINTED + 6, PAINTED + 7, 0, 0])
        first = view.results[0].job
        one.studio.repaint_view(first, 0)
        view = one.until(lambda view: len(view.results) == 2 and view.results[0].applied)
        assert texel(plinth)[0] == (PAINTED + view.results[0].seed + 1) % 256
        assert texel(plinth)[1] == PAINTED + 7  # the view that was kept
        one.studio.show_views(first)
        one.until(lambda view: len(plinth.shown) == 2)
        one.until(lambda view: len(view.pictures) == 2)
        one.studio.reproject(first)
        one.until(lambda view: len(view.results) == 3 and view.results[0].applied)
        assert texel(plinth) == [7, 7, 0, 0]  # the plinth's images, as painted on
        one.studio.inspect("coverage")
        one.until(lambda view: plinth.maps)
        assert one.until(lambda view: not view.jobs).inspecting == "coverage"
        one.studio.project(plinth.pictures[0], "")
        one.until(lambda view: len(view.results) == 4 and view.results[0].applied)
        one.studio.discard(first)
        one.until(lambda view: len(view.results) == 3)
    assert [one.job for one in plinth.put_on[:1]] == [first]


def test_closed_and_killed_in_mid_job(tmp_path: Path) -> None:
    plinth = Plinth()
    with server(tmp_path, step_s=0.1) as process:
        with driven(plinth, tmp_path) as one:
            one.start(seed=5)
            one.until(lambda view: view.jobs and view.jobs[0].state == "running")
        process.kill()
        process.wait()
    assert plinth.put_on == []
    again = Plinth()
    with server(tmp_path), driven(again, tmp_path) as one:
        one.until(lambda view: view.results and view.results[0].applied)
    assert [len(found.pictures) for found in again.put_on] == [1]
    assert texel(again) == [PAINTED + 6, PAINTED + 7, 0, 0]
    third = Plinth()
    with server(tmp_path), driven(third, tmp_path) as one:
        one.until(lambda view: view.results and view.results[0].applied)
    assert third.put_on == []


def test_cancelled_in_mid_job(tmp_path: Path) -> None:
    plinth = Plinth()
    with server(tmp_path, step_s=0.1), driven(plinth, tmp_path) as one:
        one.start()
        one.until(lambda view: view.jobs and view.jobs[0].state == "running")
        one.studio.cancel_all()
        one.until(lambda view: not view.jobs and not view.results)
        one.start(source="view", seed=5)
        one.until(lambda view: view.results and view.results[0].applied)
    assert len(plinth.put_on) == 1
