"""The worker's ends of the channel: nothing blocks painting, nothing unasked gets in."""

from __future__ import annotations

import io
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from impasto_protocol.messages import GenerateRequest, LiveRequest, Pixels
from impasto_protocol.rasters import PixelFormat
from impasto_server.pool.channel import (
    MAX_FRAME_BYTES,
    Ended,
    FeedLive,
    InputRead,
    LivePainted,
    LiveWaits,
    OpenLive,
    PreviewRead,
    Progress,
    Run,
    Stop,
    decode_event,
    frame,
)
from impasto_server.pool.memory import PictureMemory, segments
from impasto_server.worker import channel_ends
from impasto_server.worker.channel_ends import Inbox, LiveNews, Outbox

FRAMES = PictureMemory(None)  # all goes in frames
PREVIEW = Pixels(1, 1, PixelFormat.RGB8, b"abc")


@pytest.fixture(autouse=True)
def _no_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:
        def __init__(self, *_: object) -> None: ...

        def start(self) -> None: ...

    monkeypatch.setattr(channel_ends.threading, "Timer", Nothing)


class Stuck(io.BytesIO):
    """A pipe whose reader sleeps until `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.reached = threading.Event()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.reached.set()
        self.go.wait(10)
        return super().write(data)


def events(data: bytes) -> list[object]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(decode_event(data[4 : 4 + size]))
        data = data[4 + size :]
    return found


def large(value: int) -> Pixels:
    """Worth a segment."""
    return Pixels(512, 512, PixelFormat.RGBA8, bytes([value]) * (512 * 512 * 4))


def test_progress_that_nobody_reads_collapses_and_results_do_not() -> None:
    pipe = Stuck()
    outbox = Outbox(pipe, FRAMES)
    outbox.send(Progress("1", "loading"))
    assert pipe.reached.wait(10)
    for step in range(100):
        outbox.send(Progress("1", "sampling", step, 100, preview=PREVIEW if step == 50 else None))
    outbox.send(Progress("2", "sampling", 1, 4))
    outbox.send(Ended("1", "done", 1.0))
    pipe.go.set()
    outbox.flush(10)
    assert events(pipe.getvalue()) == [
        Progress("1", "loading"),
        Progress("1", "sampling", 99, 100, preview=PREVIEW),
        Progress("2", "sampling", 1, 4),
        Ended("1", "done", 1.0),
    ]


def test_previews_that_nobody_reads_collapse_into_the_newest_of_each_session() -> None:
    pipe = Stuck()
    outbox = Outbox(pipe, FRAMES)
    outbox.send(LiveWaits(1, "ready"))
    assert pipe.reached.wait(10)
    for number in range(100):
        for live in (1, 2):
            outbox.send(LivePainted(live, number, PREVIEW, 0.5, wasted_steps=1))
    pipe.go.set()
    outbox.flush(10)
    assert events(pipe.getvalue()) == [
        LiveWaits(1, "ready"),
        LivePainted(1, 99, PREVIEW, 50.0, wasted_steps=100),
        LivePainted(2, 99, PREVIEW, 50.0, wasted_steps=100),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe does not say what it holds")
def test_inputs_that_nobody_takes_collapse_into_the_newest() -> None:
    inbox = Inbox()
    inbox.put(OpenLive(1, "a", LiveRequest("c", "x")))
    for number in range(100):
        inbox.put(FeedLive(1, number, PREVIEW))
    inbox.put(FeedLive(2, 7, PREVIEW))
    assert inbox.news
    news = inbox.take_live(1)
    assert news is not None
    assert news.opened == OpenLive(1, "a", LiveRequest("c", "x"))
    assert news.fed == FeedLive(1, 99, PREVIEW)
    assert inbox.news
    assert inbox.take_live(2) == LiveNews(fed=FeedLive(2, 7, PREVIEW))
    assert not inbox.news
    assert inbox.take_live(2) is None


def test_live_input_wakes_a_worker_that_waits_for_jobs() -> None:
    inbox = Inbox()
    threading.Thread(target=lambda: time.sleep(0.05) or inbox.put(FeedLive(1, 1, PREVIEW))).start()
    assert inbox.wait(10.0) is None
    assert inbox.news


def test_the_end_of_the_channel_is_the_end_of_the_work() -> None:
    inbox = Inbox()
    inbox.read(io.BytesIO(frame(Run("1", GenerateRequest("x"))) + b"\x05\x00"), FRAMES, pytest.fail)
    assert inbox.stopping
    assert inbox.wait(0) is None, "jobs that have not begun are left for the next worker"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_ends_the_worker_and_runs_nothing(garbage: bytes) -> None:
    inbox = Inbox()
    inbox.read(io.BytesIO(garbage), FRAMES, pytest.fail)
    assert inbox.stopping


def test_a_frame_that_announces_too_much_is_not_waited_for() -> None:
    inbox = Inbox()
    inbox.read(io.BytesIO((MAX_FRAME_BYTES + 1).to_bytes(4, "little") + bytes(100)), FRAMES, pytest.fail)
    assert inbox.stopping


def test_what_lies_in_memory_is_copied_out_as_it_comes_and_its_owner_is_told(tmp_path: Path) -> None:
    front, worker, inbox, told = PictureMemory(tmp_path), PictureMemory(tmp_path), Inbox(), []
    picture, other = large(1), large(2)
    sent = [FeedLive(1, number, front.lend(picture)) for number in range(2)]
    inbox.read(io.BytesIO(b"".join(map(frame, sent))), worker, told.append)
    assert told == [InputRead(segments(fed)) for fed in sent], "one that was never painted, too"
    for event in told:
        front.release(*event.segments)
    front.lend(other)
    news = inbox.take_live(1)
    assert news is not None
    assert news.fed == FeedLive(1, 1, picture), "whatever becomes of the segment"
    front.close()


def test_a_preview_that_gives_way_gives_its_segment_back(tmp_path: Path) -> None:
    memory, pipe = PictureMemory(tmp_path), Stuck()
    outbox = Outbox(pipe, memory)
    outbox.send(LiveWaits(1, "ready"))
    assert pipe.reached.wait(10)
    raster = bytearray(large(0).data or b"")
    for number in range(50):
        raster[0] = number
        view = memoryview(raster)
        outbox.send(LivePainted(1, number, replace(large(0), data=view), 0.5))  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 2, "one waits, one was written before that gave way"
    pipe.go.set()
    outbox.flush(10)
    _, last = events(pipe.getvalue())
    assert isinstance(last, LivePainted)
    seen = PictureMemory(tmp_path).copied(last.pixels).data or b""
    assert (last.input, seen[0], len(seen)) == (49, 49, len(raster))
    memory.close()


def test_a_small_preview_too_is_sent_as_it_was_painted() -> None:
    pipe, raster = Stuck(), bytearray(b"abc")
    outbox = Outbox(pipe, FRAMES)
    outbox.send(LiveWaits(1, "ready"))
    assert pipe.reached.wait(10)
    outbox.send(LivePainted(1, 1, replace(PREVIEW, data=memoryview(raster)), 0.5))  # type: ignore[arg-type]
    raster[:] = b"xyz"
    pipe.go.set()
    outbox.flush(10)
    assert events(pipe.getvalue())[-1] == LivePainted(1, 1, PREVIEW, 0.5)


def test_that_a_preview_has_been_read_disturbs_nobody(tmp_path: Path) -> None:
    memory, inbox = PictureMemory(tmp_path), Inbox()
    lent = memory.lend(large(1)).shared
    assert lent is not None
    channel = io.BytesIO(frame(PreviewRead(lent.name)))
    put: list[object] = []
    inbox.put = put.append  # type: ignore[method-assign]
    inbox.read(channel, memory, pytest.fail)
    assert put == [Stop()], "the end of the channel, and nothing else: a refinement goes on"
    assert memory.lend(large(2)).shared == lent, "its segment is used again"
    memory.close()
