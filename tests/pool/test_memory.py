"""Live pictures through shared memory, to real worker processes and back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from impasto_protocol import places
from impasto_protocol.errors import MalformedFrame
from impasto_protocol.messages import LiveControl, LiveRequest, Pixels, SharedBytes
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_server.front.live_desk import LiveDesk
from impasto_server.front.scheduler import Scheduler
from impasto_server.pool import local
from impasto_server.pool.channel import CloseLive, Event, FeedLive, LiveEvent, LivePainted, OpenLive
from impasto_server.pool.interface import Listeners
from impasto_server.pool.local import MOST_LENT, LocalPool
from impasto_server.pool.memory import PictureMemory

from tests.fakes.engine import live_pixels

from .test_local import Ear, until

SIDE = 768  # px: a mask, too, is large enough for a segment
REQUEST = LiveRequest("c", "a fox", "m", (LiveControl("depth", "d"),))
SEGMENTS = 4  # of one process and one session, at most: those to be read, and the next


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the segments are; files on a disk are good enough for a test."""
    folder = tmp_path / "memory"
    monkeypatch.setattr(places, "memory_folder", lambda: folder)
    return folder


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what the front has written to its workers."""
    sizes: list[int] = []
    real = local.frame

    def noting(command: local.Command) -> bytearray:
        made = real(command)
        sizes.append(len(made))
        return made

    monkeypatch.setattr(local, "frame", noting)
    return sizes


class Viewer(Ear):
    """Keeps the bytes of what it is shown, which are there during the call only."""

    async def worker_event(self, worker: int, event: Event) -> None:
        if isinstance(event, LivePainted):
            self.kinds = {*getattr(self, "kinds", ()), type(event.pixels.data)}
            pixels = replace(event.pixels, data=bytes(event.pixels.data or b""))
            event = LivePainted(event.live, event.input, pixels, event.device_s)
        await super().worker_event(worker, event)


async def started(home: Path) -> tuple[LocalPool, Viewer]:
    pool, viewer = LocalPool(("cpu",), home / "blobs", home, "tests.fakes.engine:FakeEngine"), Viewer()
    await pool.start(viewer)
    await until(viewer.ready)
    await pool.live(0, OpenLive(1, "a", REQUEST))
    return pool, viewer


@pytest.fixture
async def pool_and_viewer(tmp_path: Path, folder: Path) -> AsyncIterator[tuple[LocalPool, Viewer]]:
    pool, viewer = await started(tmp_path)
    yield pool, viewer
    await pool.stop()
    assert listing(folder) == [], "a pool that stops leaves nothing behind, of its workers neither"


def picture(number: int, format: PixelFormat = PixelFormat.RGBA8, side: int = SIDE) -> Pixels:
    noise = np.random.default_rng(number).integers(0, 256, raster_size(side, side, format), np.uint8)
    return Pixels(side, side, format, noise.tobytes())


def feed(number: int, side: int = SIDE) -> FeedLive:
    mask = picture(number + 1, PixelFormat.GRAY8, side)
    depth = Pixels(side, side, PixelFormat.DEPTH32F, np.full((side, side), number, "<f4").tobytes())
    return FeedLive(1, number, picture(number, side=side), mask, (depth,))


def expected(fed: FeedLive) -> bytes:
    assert fed.mask is not None
    side = fed.image.width
    image = np.frombuffer(fed.image.data or b"", np.uint8).reshape(side, side, 4)
    mask = np.frombuffer(fed.mask.data or b"", np.uint8).reshape(side, side)
    depth = np.frombuffer(fed.controls[0].data or b"", "<f4").reshape(side, side)
    return live_pixels(REQUEST, image, mask, (depth,)).tobytes()


def lent(pool: LocalPool) -> list[str]:
    """Segments of the front's somebody has yet to read."""
    own = pool._memory._own
    return [] if own is None else [one.name for one in own._segments.values() if one.lent]


def owned_by(folder: Path, process: int | None) -> list[str]:
    return [name for name in listing(folder) if name.startswith(f"{process:x}-")]


def listing(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_large_pictures_arrive_byte_for_byte_and_not_through_the_pipe(
    pool_and_viewer: tuple[LocalPool, Viewer], frames: list[int], folder: Path
) -> None:
    pool, viewer = pool_and_viewer
    for number in range(1, 6):
        fed = feed(number)
        await pool.live(0, fed)
        await until(lambda: len(viewer.previews()) == number)  # noqa: B023
        assert viewer.previews()[-1].pixels.data == expected(fed)
    assert viewer.kinds == {memoryview}, "looked at where they lie"
    assert max(frames) < 2000
    await until(lambda: not lent(pool))
    assert len(owned_by(folder, os.getpid())) <= 3, "picture, mask and depth: used again and again"
    assert len(owned_by(folder, pool.process_id(0))) <= 2


async def test_what_was_handed_over_may_change_at_once(pool_and_viewer: tuple[LocalPool, Viewer]) -> None:
    pool, viewer = pool_and_viewer
    fed = feed(1)
    changing = bytearray(fed.image.data or b"")
    image = replace(fed.image, data=memoryview(changing))  # type: ignore[arg-type]
    await pool.live(0, FeedLive(1, 1, image, fed.mask, fed.controls))
    changing[:] = bytes(len(changing))
    await until(lambda: viewer.previews())
    assert viewer.previews()[-1].pixels.data == expected(fed)


async def test_small_pictures_go_in_the_frame(
    pool_and_viewer: tuple[LocalPool, Viewer], frames: list[int], folder: Path
) -> None:
    pool, viewer = pool_and_viewer
    fed = feed(1, 64)
    await pool.live(0, fed)
    await until(lambda: viewer.previews())
    assert viewer.previews()[-1].pixels.data == expected(fed)
    assert max(frames) > 64 * 64 * 9
    assert listing(folder) == []


@pytest.mark.parametrize("hindrance", ["there is none", "it is not ours alone"])
async def test_without_a_folder_everything_goes_in_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hindrance: str
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    if hindrance == "it is not ours alone" and os.name == "nt":
        pytest.skip("Windows has no such modes")
    monkeypatch.setattr(places, "memory_folder", lambda: None if hindrance == "there is none" else shared)
    pool, viewer = await started(tmp_path)
    fed = feed(1)
    await pool.live(0, fed)
    await until(lambda: viewer.previews())
    assert viewer.previews()[-1].pixels.data == expected(fed)
    assert listing(shared) == []
    await pool.stop()


async def test_when_no_segment_is_free_pictures_go_in_the_frame(
    pool_and_viewer: tuple[LocalPool, Viewer], frames: list[int]
) -> None:
    pool, viewer = pool_and_viewer
    assert pool._memory._own is not None
    pool._memory._own.limit_bytes = 3 << 20  # the picture's; mask and depth find none
    fed = feed(1)
    await pool.live(0, fed)
    await until(lambda: viewer.previews())
    assert viewer.previews()[-1].pixels.data == expected(fed)
    assert SIDE * SIDE * 5 < max(frames) < SIDE * SIDE * 6


async def test_five_hundred_inputs_take_no_more_memory_than_a_few(
    pool_and_viewer: tuple[LocalPool, Viewer], folder: Path
) -> None:
    pool, viewer = pool_and_viewer
    pictures = [picture(1), picture(2)]
    for number in range(500):
        await pool.live(0, FeedLive(1, number, pictures[number % 2]))
        await asyncio.sleep(0)
    await until(lambda: viewer.previews() and viewer.previews()[-1].input == 499)
    last = np.frombuffer(pictures[1].data or b"", np.uint8).reshape(SIDE, SIDE, 4)
    assert viewer.previews()[-1].pixels.data == live_pixels(REQUEST, last).tobytes()
    await until(lambda: not lent(pool))
    assert len(owned_by(folder, os.getpid())) <= SEGMENTS
    assert len(owned_by(folder, pool.process_id(0))) <= SEGMENTS


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_a_worker_that_does_not_read_is_lent_a_few_segments_and_then_the_newest(
    pool_and_viewer: tuple[LocalPool, Viewer], folder: Path
) -> None:
    pool, viewer = pool_and_viewer
    process = pool.process_id(0)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    for number in range(100):
        await pool.live(0, FeedLive(1, number, picture(number)))
    assert len(lent(pool)) == MOST_LENT + 1, "those the worker was told of, and the newest"
    assert len(owned_by(folder, os.getpid())) == MOST_LENT + 1
    os.kill(process, signal.SIGCONT)
    await until(lambda: viewer.previews() and viewer.previews()[-1].input == 99)
    await until(lambda: not lent(pool))


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_what_waits_for_a_worker_that_dies_is_given_back(
    pool_and_viewer: tuple[LocalPool, Viewer],
) -> None:
    pool, viewer = pool_and_viewer
    process = pool.process_id(0)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    for number in range(10):
        await pool.live(0, feed(number))
    assert pool._seats[0].held
    os.kill(process, signal.SIGKILL)
    await until(lambda: viewer.lost)
    assert lent(pool) == []


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
async def test_a_small_input_that_waits_is_painted_as_it_was_handed_over(
    pool_and_viewer: tuple[LocalPool, Viewer],
) -> None:
    pool, viewer = pool_and_viewer
    process = pool.process_id(0)
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    changing = bytearray(256 * 256 * 4)
    image = Pixels(256, 256, PixelFormat.RGBA8, memoryview(changing))  # type: ignore[arg-type]
    for number in range(30):
        changing[:] = bytes([number]) * len(changing)
        await pool.live(0, FeedLive(1, number, image))
    assert pool._seats[0].held, "the pipe is full"
    changing[:] = bytes(len(changing))
    os.kill(process, signal.SIGCONT)
    await until(lambda: viewer.previews() and viewer.previews()[-1].input == 29)
    expected = live_pixels(REQUEST, np.full((256, 256, 4), 29, np.uint8))
    assert viewer.previews()[-1].pixels.data == expected.tobytes()


async def test_a_session_that_is_closed_in_mid_frame_leaves_nothing_lent(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0.2")
    pool, viewer = await started(tmp_path)
    for number in range(20):
        await pool.live(0, feed(number))
    await pool.live(0, CloseLive(1))
    assert pool._seats[0].held == {}
    await until(lambda: not lent(pool))
    assert pool._seats[0].lent == {}
    await pool.live(0, OpenLive(1, "a", REQUEST))
    fed = feed(30)
    await pool.live(0, fed)
    await until(lambda: viewer.previews())
    assert viewer.previews()[-1].pixels.data == expected(fed)
    await pool.stop()
    assert listing(folder) == []


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
@pytest.mark.parametrize("reads", [True, False])
async def test_a_worker_killed_in_mid_frame_leaves_nothing_and_its_successor_gets_the_input(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """`reads`: it was killed with the input copied out; else with the segments yet to be read."""
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0.1")
    pool = LocalPool(("cpu",), tmp_path / "blobs", tmp_path, "tests.fakes.engine:FakeEngine")
    desk, viewer = LiveDesk(pool, Scheduler(workers=1)), Viewer()
    await pool.start(Listeners(viewer, desk))
    await until(viewer.ready)
    heard: list[LiveEvent] = []
    newest = feed(1)

    async def feed_again() -> None:
        await desk.feed(newest)

    live = await desk.open("a", REQUEST, heard.append, feed_again)
    await desk.feed(newest)
    await until(lambda: viewer.previews())
    first = pool.process_id(0)
    assert first is not None
    assert owned_by(folder, first), "it had memory of its own"
    if not reads:
        os.kill(first, signal.SIGSTOP)
    newest = feed(2)
    await desk.feed(newest)
    await until(lambda: reads != bool(lent(pool)))
    os.kill(first, signal.SIGKILL)
    await until(lambda: viewer.lost)
    await until(lambda: viewer.previews()[-1].input == 2)
    assert (viewer.previews()[-1].live, viewer.previews()[-1].pixels.data) == (live, expected(newest))
    assert pool.process_id(0) != first
    assert owned_by(folder, first) == [], "what the dead one had lent is gone"
    await until(lambda: not lent(pool))
    assert len(owned_by(folder, os.getpid())) <= 3
    await pool.stop()
    assert listing(folder) == []


# ── one process's end ────────────────────────────────────────────────────────────────────────────────────


def test_a_view_lasts_as_long_as_its_context(tmp_path: Path) -> None:
    ours, theirs = PictureMemory(tmp_path), PictureMemory(tmp_path)
    whole = picture(1)
    pixels = ours.lend(whole)
    assert pixels.data is None
    with theirs.look(pixels) as seen:
        assert seen == whole
    with pytest.raises(ValueError, match="released"):
        bytes(seen.data or b"")
    ours.close()


def test_a_picture_that_is_looked_at_is_never_written_over(tmp_path: Path) -> None:
    ours = PictureMemory(tmp_path)
    lent = [ours.lend(picture(number)) for number in range(4)]
    assert len({one.shared.name for one in lent if one.shared is not None}) == 4
    assert lent[2].shared is not None
    ours.release(lent[2].shared.name)
    again = ours.lend(picture(9))
    assert again.shared == lent[2].shared, "what was given back is used again"
    assert [ours.copied(one) for one in (lent[0], lent[1], lent[3])] == [picture(0), picture(1), picture(3)]
    ours.close()


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("take", [PictureMemory.copied, lambda memory, one: memory.look(one).__enter__()])
def test_a_segment_that_cannot_be_read_is_an_error_with_a_sentence(
    tmp_path: Path, take: Callable[[PictureMemory, Pixels], object], shares: bool
) -> None:
    gone = Pixels(1, 1, PixelFormat.RGB8, shared=SharedBytes("1f-0123456789abcdef", 3))
    with pytest.raises(MalformedFrame, match="gone" if shares else "not shared"):
        take(PictureMemory(tmp_path if shares else None), gone)
