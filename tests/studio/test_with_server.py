"""The studio against the real front, real worker processes and the fake engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from impasto_protocol.messages import GenerateRequest, LiveRequest
from impasto_protocol.places import server_file
from impasto_protocol.rasters import PixelFormat
from impasto_studio.geometry import Box
from impasto_studio.view import View

from tests.fakes.engine import live_pixels, painted
from tests.studio.easel import Driven, Easel, driven

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")

DOCUMENT = "d" * 32


@contextmanager
def server(home: Path, step_s: float = 0.005) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "IMPASTO_FAKE_STEP_S": str(step_s),
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


@pytest.fixture
def easel() -> Easel:
    made = Easel()
    made.open(DOCUMENT, 96, 80, Box(20, 10, 30, 30))
    return made


def ready(view: View) -> bool:
    return view.link.state == "ready"


def all_painted(view: View) -> bool:
    return bool(view.takes) and not view.jobs


def start(one: Driven, **fields: object) -> None:
    one.studio.change(replace(one.view.intent, **fields))  # type: ignore[arg-type]
    one.until(lambda view: all(getattr(view.intent, name) == value for name, value in fields.items()))
    one.studio.start()
    one.until(lambda view: view.jobs or view.takes)


def test_a_selection_is_filled_compared_and_applied(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path), driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="fill", prompt="a fox")
        view = one.until(all_painted)
        assert [take.index for take in view.takes] == [0, 1, 2]
        assert (view.shown, view.applied) == (0, False)
        one.until(lambda view: easel.shown is not None and easel.shown.picture.width == 96)
        one.until(lambda view: all(take.thumbnail for take in view.history))
        assert easel.document.layers == {}
        one.studio.step(-1)
        one.studio.apply()
        view = one.until(lambda view: view.applied)
        (layer,) = easel.document.layers.values()
        assert (layer.name, layer.x, layer.y, layer.picture.width) == ("a fox", 0, 0, 96)
        assert view.shown == 2
        assert view.remembered
        assert easel.shown is None
        one.studio.paint_again()
        view = one.until(lambda view: {take.job for take in view.takes} - {view.history[-1].job})
        view = one.until(lambda view: not view.jobs)
        assert len(view.history) == 6


def test_the_layer_is_what_the_engine_painted(tmp_path: Path, easel: Easel) -> None:
    easel.document.selection = None
    with server(tmp_path), driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="generate", prompt="a fox", seed=41, takes=2)
        one.until(all_painted)
        one.studio.step(1)
        one.studio.apply()
        one.until(lambda view: view.applied)
    (layer,) = easel.document.layers.values()
    request = GenerateRequest("a fox", width=96, height=80, seed=42)
    assert layer.picture.pixels == painted(request)


def test_a_server_killed_in_mid_job_loses_nothing(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path, step_s=0.1) as process, driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="fill", prompt="a fox", steps=20, takes=1)
        one.until(lambda view: view.jobs and view.jobs[0].state == "running")
        process.kill()
        process.wait()
        view = one.until(lambda view: view.link.state != "ready")
        assert len(view.jobs) == 1
        assert view.link.sentence
        assert not view.can_start
        with server(tmp_path):
            view = one.until(all_painted)
            assert view.jobs == ()
            one.until(ready)


def test_a_host_killed_in_mid_job_finds_everything_again(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path, step_s=0.05):
        with driven(easel, tmp_path) as one:
            one.until(ready)
            start(one, mode="fill", prompt="a fox", takes=2, steps=2)
            one.until(all_painted)
            start(one, prompt="a hen", takes=3, steps=30)
            one.until(lambda view: view.jobs and view.jobs[0].state == "running")
        again = Easel()
        again.documents, again.active = easel.documents, DOCUMENT
        again.settings = easel.settings
        with driven(again, tmp_path) as one:
            view = one.until(lambda view: view.history)
            assert [take.prompt for take in view.history] == ["a fox", "a fox"]
            view = one.until(all_painted)
            assert {take.prompt for take in view.takes} == {"a hen"}
            assert len(view.history) == 5


def test_one_job_is_cancelled_and_the_next_one_runs(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path, step_s=0.05), driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="fill", prompt="a fox", steps=150, takes=1)
        first = one.view.jobs[0].job
        one.until(lambda view: view.jobs[0].state == "running")
        start(one, prompt="a hen", steps=1)
        one.until(lambda view: len(view.jobs) == 2)
        one.studio.cancel(first)
        view = one.until(all_painted)
        assert {take.prompt for take in view.history} == {"a hen"}


def test_takes_come_one_by_one_are_applied_meanwhile_and_stay_when_the_job_is_cancelled(
    tmp_path: Path, easel: Easel
) -> None:
    easel.document.selection = None
    with server(tmp_path, step_s=0.02):
        with driven(easel, tmp_path) as one:
            one.until(ready)
            start(one, mode="generate", prompt="a fox", seed=41, takes=4, steps=30)
            view = one.until(lambda view: view.takes)
            assert [job.state for job in view.jobs] == ["running"]
            one.studio.apply()
            view = one.until(lambda view: view.applied)
            assert view.jobs, "the others are still painted"
            view = one.until(lambda view: len(view.takes) == 2)
            assert (view.shown, view.applied) == (0, True)
            one.studio.step(1)
            one.studio.cancel(view.jobs[0].job)
            view = one.until(lambda view: not view.jobs)
            assert (len(view.takes) in (2, 3), view.shown) == (True, 1)
            (first,) = easel.document.layers.values()
        easel.document.layers.clear()
        again = Easel()
        again.documents, again.active = easel.documents, DOCUMENT
        with driven(again, tmp_path) as one:
            view = one.until(lambda view: view.history)
            assert (view.jobs, len(view.history) in (2, 3)) == ((), True)
            assert [take.applied for take in view.history][:2] == [True, False]
            one.studio.compare(view.history[1].job, 1)
            one.until(lambda view: view.shown == 1)
            one.studio.apply()
            one.until(lambda view: view.applied)
    (second,) = easel.document.layers.values()
    for number, layer in enumerate((first, second)):
        request = GenerateRequest("a fox", width=96, height=80, seed=41 + number, steps=30)
        assert layer.picture.pixels == painted(request)


def test_the_growing_picture_is_seen(tmp_path: Path, easel: Easel) -> None:
    easel.document.selection = None
    with server(tmp_path, step_s=0.1), driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="generate", prompt="a fox", steps=20, takes=1)
        view = one.until(lambda view: view.jobs and view.jobs[0].preview is not None)
        assert view.jobs[0].stage.startswith("Painting, step ")
        one.until(lambda view: easel.shown is not None)
        assert easel.shown is not None
        assert (easel.shown.box, easel.shown.picture.format) == (Box(0, 0, 96, 80), PixelFormat.RGB8)
        one.studio.cancel_all()
        one.until(lambda view: easel.shown is None)


def follows(one: Driven, easel: Easel, colour: bytes) -> View:
    """Until the preview of this drawing is shown, painted by what was asked for."""

    def there(view: View) -> bool:
        live, wanted = view.live, easel.watched
        if live.picture is None or wanted is None or not live.current or not live.refined:
            return False
        image = np.frombuffer(colour * (wanted.width * wanted.height), np.uint8)
        request = LiveRequest("", view.intent.prompt, seed=view.intent.live_seed, strength=0.5)
        mask = np.full((wanted.height, wanted.width), 255, np.uint8) if wanted.mask else None
        drawn = image.reshape(wanted.height, wanted.width, 4)
        shown = np.frombuffer(live.picture.pixels, np.uint8).reshape(wanted.height, wanted.width, 3)
        return np.array_equal(shown, live_pixels(request, drawn, mask, refined=True))

    return one.until(there)


def test_previews_follow_the_drawing_and_every_wish(tmp_path: Path, easel: Easel) -> None:
    easel.document.selection = None
    with server(tmp_path), driven(easel, tmp_path) as one:
        one.until(ready)
        one.studio.change(replace(one.view.intent, prompt="a fox"))
        one.studio.set_live(True)
        first = follows(one, easel, easel.document.colour)
        for colour in (b"\xff\x00\x00\xff", b"\x00\xff\x00\xff"):
            easel.draw(colour)
            assert follows(one, easel, colour).live.version > first.live.version
        one.studio.change(replace(one.view.intent, prompt="a hen", live_seed=7))
        one.until(lambda view: view.intent.live_seed == 7)
        follows(one, easel, easel.document.colour)
        easel.document.selection = Box(20, 10, 30, 30)
        one.until(lambda view: view.selection)
        follows(one, easel, easel.document.colour)
        one.studio.record_live(True)
        one.studio.pin_live()
        one.until(lambda view: easel.document.layers)
        easel.draw(b"\x10\x20\x30\xff")
        follows(one, easel, easel.document.colour)
        one.studio.set_live(False)
        one.until(lambda view: easel.animations)
    (layer,) = easel.document.layers.values()
    assert (layer.name, layer.picture.format) == ("a hen", PixelFormat.RGBA8)
    assert len(easel.animations[0].frames) >= 1


def test_live_goes_on_by_itself_after_the_server_was_killed(tmp_path: Path, easel: Easel) -> None:
    easel.document.selection = None
    with driven(easel, tmp_path) as one:
        with server(tmp_path) as process:
            one.until(ready)
            one.studio.set_live(True)
            follows(one, easel, easel.document.colour)
            process.kill()
            process.wait()
            view = one.until(lambda view: view.live.state == "stopped")
            assert view.live.picture is not None
        easel.draw(b"\xff\x00\x00\xff")
        with server(tmp_path):
            follows(one, easel, b"\xff\x00\x00\xff")


def test_what_a_live_engine_cannot_is_said_and_another_wish_helps(tmp_path: Path, easel: Easel) -> None:
    easel.document.selection = None
    with server(tmp_path), driven(easel, tmp_path) as one:
        one.until(ready)
        one.studio.change(replace(one.view.intent, prompt="break"))
        one.studio.set_live(True)
        view = one.until(lambda view: view.live.state == "stopped")
        assert view.live.sentence
        assert "secret" not in view.live.sentence
        one.studio.change(replace(one.view.intent, prompt="a fox"))
        one.until(lambda view: view.intent.prompt == "a fox")
        follows(one, easel, easel.document.colour)


def test_a_wrong_token_is_said_and_put_right(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path):
        good = server_file(tmp_path).read_text()
        server_file(tmp_path).write_text(json.dumps({**json.loads(good), "token": "0" * 64}))
        with driven(easel, tmp_path) as one:
            view = one.until(lambda view: view.link.state == "trouble")
            assert view.link.sentence
            assert not view.can_start
            server_file(tmp_path).write_text(good)
            one.until(ready)


def test_what_the_engine_cannot_is_said(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path), driven(easel, tmp_path) as one:
        one.until(ready)
        start(one, mode="fill", prompt="break", takes=1)
        view = one.until(lambda view: view.jobs and view.jobs[0].state == "failed")
        assert view.jobs[0].error
        assert "secret" not in view.jobs[0].error
        one.studio.dismiss(view.jobs[0].job)
        one.until(lambda view: not view.jobs)


@pytest.mark.heavy
def test_two_hundred_results_are_listed_in_a_moment(tmp_path: Path, easel: Easel) -> None:
    with server(tmp_path, step_s=0.0):
        with driven(easel, tmp_path) as one:
            one.until(ready)
            one.studio.change(replace(one.view.intent, mode="fill", prompt="a fox", steps=1, takes=4))
            for number in range(50):
                one.studio.start()
                one.until(lambda view, wanted=4 * (number + 1): len(view.history) == wanted)  # type: ignore[misc]
        again = Easel()
        again.documents, again.active = easel.documents, DOCUMENT
        with driven(again, tmp_path) as one:
            one.until(ready)
            begun_s = time.monotonic()
            one.until(lambda view: len(view.history) == 200)
            listed_s = time.monotonic() - begun_s
            one.until(lambda view: all(take.thumbnail is not None for take in view.history[:24]))
            print(f"listed after {listed_s:.3f} s, 24 thumbnails after {time.monotonic() - begun_s:.3f} s")
