"""Frames of a scene in a batch, against the real front, real worker processes and the fake engine."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from impasto_client.session import Session
from impasto_protocol.messages import GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_studio.frames import FrameBatch, Frames, recipe_key
from impasto_studio.geometry import Box
from impasto_studio.host import Capture, Captured, Picture
from impasto_studio.tasks import Plan
from impasto_studio.workers import WorkerThread

from tests.studio.fakes import LIMITS
from tests.studio.test_with_server import server

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")

BOX = Box(0, 0, 64, 64)
DOCUMENT = "d" * 32


class Timeline:
    """A host whose frames are plain gray, as light as their number."""

    def __init__(self) -> None:
        self.captured: list[int] = []
        self.shown: list[tuple[Path, ...]] = []
        self.refuses = ""

    def capture_frame(
        self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Callable[[str], None]
    ) -> None:
        self.captured.append(frame)
        if self.refuses:
            failed(self.refuses)
        else:
            pixels = bytes([frame]) * (4 * BOX.area)
            done(Captured(Picture(BOX.width, BOX.height, PixelFormat.RGBA8, pixels)))

    def composed(self, picture: Picture, x: int, y: int, ground: Picture | None) -> Picture:
        assert ground is not None
        return picture

    def show_frames(self, frames: tuple[Path, ...], name: str) -> None:
        self.shown.append(frames)


class Room:
    """A UI thread, and what is in it."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.worker = WorkerThread("frames", self.calls.put)
        self.host = Timeline()
        self.views: list[Any] = []
        self.frames = Frames(self.host, self.worker, lambda: self.views.append(self.frames.view))

    def run(self, until: Callable[[], bool] | None = None) -> None:
        """Until the batch is over, or something else has happened."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                self.calls.get(timeout=0.05)()
            except queue.Empty:
                pass
            if until() if until is not None else not self.frames.view.running:
                return
        raise AssertionError("it does not end")


def batch(folder: Path, **more: Any) -> FrameBatch:
    request = GenerateRequest("a house", seed=7, strength=0.5)
    plan = Plan(DOCUMENT, BOX.size, BOX, request, Capture(DOCUMENT, BOX))
    return FrameBatch(plan, (3, 4, 5, 6), folder / recipe_key(plan, False), "ride", **more)


def test_frames_become_files_and_are_shown(tmp_path: Path) -> None:
    room, wanted = Room(), batch(tmp_path)
    with server(tmp_path / "home"), Session.connect(tmp_path / "home", "Test 1") as session:
        room.frames.start(wanted, session, session.welcome.limits)
        room.run()
    paths = tuple(wanted.path(frame) for frame in wanted.frames)
    assert room.host.captured == [3, 4, 5, 6]
    assert room.host.shown == [paths]
    assert len({path.read_bytes() for path in paths}) == 4
    assert sorted(wanted.folder.iterdir()) == sorted(paths)
    assert (room.frames.view.done, room.frames.view.total, room.frames.view.sentence) == (4, 4, "")
    room.worker.close()


def test_a_batch_that_was_cancelled_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    room, wanted = Room(), batch(tmp_path)
    with (
        server(tmp_path / "home", step_s=0.05),
        Session.connect(tmp_path / "home", "Test 1") as session,
    ):
        room.frames.start(wanted, session, session.welcome.limits)
        room.run(until=lambda: room.frames.view.done == 1)
        room.frames.cancel()
        room.run()
        assert room.frames.view.done < 4
        assert room.host.shown == []
        first = wanted.path(3).read_bytes()
        room.frames.start(wanted, session, session.welcome.limits)
        room.run()
        assert [job for job in session.jobs() if job.state not in ("done", "cancelled")] == []
    assert room.frames.view.done == 4
    assert room.host.captured.count(3) == 1
    assert wanted.path(3).read_bytes() == first
    room.worker.close()


def test_each_frame_can_have_a_seed_of_its_own(tmp_path: Path) -> None:
    wanted = batch(tmp_path, own_seeds=True)
    assert [wanted.seed(frame) for frame in wanted.frames] == [10, 11, 12, 13]
    assert {batch(tmp_path).seed(frame) for frame in wanted.frames} == {7}


def test_other_recipes_have_other_folders() -> None:
    plan = Plan(DOCUMENT, BOX.size, BOX, GenerateRequest("a", seed=1))
    other = Plan(DOCUMENT, BOX.size, BOX, GenerateRequest("b", seed=1))
    keys = {recipe_key(plan, False), recipe_key(other, False), recipe_key(plan, True)}
    keys |= {recipe_key(plan, False, "from the view")}
    assert len(keys) == 4
    assert recipe_key(plan, False) == recipe_key(plan, False)


def test_a_frame_that_cannot_be_read_stops_the_batch_with_its_sentence(tmp_path: Path) -> None:
    room = Room()
    room.host.refuses = "The scene has no camera."
    with server(tmp_path / "home"), Session.connect(tmp_path / "home", "Test 1") as session:
        room.frames.start(batch(tmp_path), session, session.welcome.limits)
    assert not room.frames.view.running
    assert room.frames.view.sentence == "The scene has no camera."
    room.worker.close()


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    room, wanted = Room(), batch(tmp_path)
    with server(tmp_path / "home"), Session.connect(tmp_path / "home", "Test 1") as session:
        room.frames.start(wanted, session, session.welcome.limits)
        room.frames.start(batch(tmp_path / "other"), session, session.welcome.limits)
        room.run()
    assert room.host.captured == [3, 4, 5, 6]
    assert not (tmp_path / "other").exists()
    room.worker.close()


def test_a_scene_without_frames_is_over_at_once(tmp_path: Path) -> None:
    room = Room()
    empty = replace(batch(tmp_path), frames=())
    room.frames.start(empty, Unreachable(), LIMITS)
    assert not room.frames.view.running
    assert room.host.shown == []
    room.worker.close()


def test_a_frame_that_is_being_painted_is_cancelled(tmp_path: Path) -> None:
    room, wanted = Room(), batch(tmp_path)
    with (
        server(tmp_path / "home", step_s=0.2),
        Session.connect(tmp_path / "home", "Test 1") as session,
    ):
        room.frames.start(wanted, session, session.welcome.limits)
        assert room.frames.progress is None
        room.run(until=lambda: any(job.state == "running" for job in session.jobs()))
        room.run(until=lambda: room.frames.progress is not None and room.frames.progress.steps > 0)
        room.frames.cancel()
        room.run()
        assert [job.state for job in session.jobs()] == ["cancelled"]
    assert room.frames.progress is None
    assert room.host.captured == [3]
    assert not wanted.folder.exists()
    assert room.frames.view.sentence == ""
    room.worker.close()


def test_a_batch_is_cancelled_while_a_frame_is_read_or_waits_to_be_sent(tmp_path: Path) -> None:
    read: list[Callable[[], None]] = []
    waiting: list[Callable[[], None]] = []

    class Slow(Timeline):
        def capture_frame(
            self, frame: int, wanted: Capture, done: Callable[[Captured], None], failed: Callable[[str], None]
        ) -> None:
            read.append(lambda: Timeline.capture_frame(self, frame, wanted, done, failed))

    class Later:
        def do(self, errand: Any, done: Any, failed: Any) -> None:
            waiting.append(lambda: done(errand()))

    for cancel_while_read in (True, False):
        host = Slow()
        frames = Frames(host, Later(), lambda: None)  # type: ignore[arg-type]  # a worker that only does
        frames.start(batch(tmp_path), Unreachable(), LIMITS)
        if cancel_while_read:
            frames.cancel()
            read.pop()()
            assert waiting == []
        else:
            read.pop()()
            frames.cancel()
            waiting.pop()()
        assert not frames.view.running
        assert (frames.view.sentence, frames.view.done) == ("", 0)


def test_where_frames_cannot_be_written_the_sentence_names_the_folder(tmp_path: Path) -> None:
    room = Room()
    (tmp_path / "file").touch()
    with server(tmp_path / "home"), Session.connect(tmp_path / "home", "Test 1") as session:
        room.frames.start(batch(tmp_path / "file"), session, session.welcome.limits)
        room.run()
    assert str(tmp_path / "file") in room.frames.view.sentence
    room.worker.close()


class Unreachable(Session):
    """A session that nothing is asked of."""

    def __init__(self) -> None:
        pass
