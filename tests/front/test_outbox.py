"""A slow client sees fewer steps, never older ones; one that cannot keep up is given up, not waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from hypothesis import given
from hypothesis import strategies as st
from impasto_server.front.outbox import Outbox, Outgoing, Parts


class Kernel:
    """A wire that takes frames whole while `open`, and holds one while it is not."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.held = 0
        self.broken = False
        self._free = asyncio.Event()
        self._free.set()

    def block(self) -> None:
        self._free.clear()

    def free(self) -> None:
        self.held = 0
        self._free.set()

    def write(self, parts: Parts) -> bool:
        if self.broken:
            raise ConnectionResetError
        assert self.held == 0, "a frame was handed over before the last one was gone"
        self.sent.append(b"".join(parts))
        self.held = 0 if self._free.is_set() else len(self.sent[-1])
        return self.held == 0

    async def flushed(self) -> None:
        await self._free.wait()

    def unsent(self) -> int:
        return self.held


class Desk:
    def __init__(self, **bounds: float) -> None:
        self.kernel = Kernel()
        self.given_up: list[str] = []
        self.box = Outbox(self.kernel, self.given_up.append, **bounds)  # type: ignore[arg-type]


@asynccontextmanager
async def outbox(**bounds: float) -> AsyncIterator[Desk]:
    desk = Desk(**bounds)
    sender = asyncio.ensure_future(desk.box.run())
    try:
        yield desk
    finally:
        sender.cancel()
        with suppress(asyncio.CancelledError):
            await sender


def frame(text: str, replaces: str | None = None, droppable: bool = False) -> Outgoing:
    return Outgoing((text.encode(),), replaces, droppable)


async def test_an_idle_box_sends_without_waiting_for_the_sender() -> None:
    async with outbox() as desk:
        desk.box.put(frame("a"))
        assert desk.kernel.sent == [b"a"]


async def test_what_cannot_leave_waits_in_order() -> None:
    async with outbox() as desk:
        desk.kernel.block()
        for text in "abc":
            desk.box.put(frame(text))
        await asyncio.sleep(0)
        assert desk.kernel.sent == [b"a"]
        desk.kernel.free()
        await asyncio.wait_for(desk.box.drained(), 5)
        assert desk.kernel.sent == [b"a", b"b", b"c"]


async def test_a_newer_step_takes_the_place_of_an_unsent_one() -> None:
    async with outbox() as desk:
        desk.kernel.block()
        desk.box.put(frame("first"))
        for step in ("step 1", "step 2", "step 3"):
            desk.box.put(frame(step, replaces="job-progress/7"))
        desk.box.put(frame("other", replaces="job-progress/8"))
        desk.kernel.free()
        await asyncio.wait_for(desk.box.drained(), 5)
        assert desk.kernel.sent == [b"first", b"step 3", b"other"]


async def test_progress_goes_first_when_the_box_is_full() -> None:
    async with outbox(most_frames=3) as desk:
        desk.kernel.block()
        desk.box.put(frame("sending"))
        desk.box.put(frame("progress", droppable=True))
        for text in ("done 1", "done 2", "done 3"):
            desk.box.put(frame(text))
        assert desk.given_up == []
        desk.kernel.free()
        await asyncio.wait_for(desk.box.drained(), 5)
        assert desk.kernel.sent == [b"sending", b"done 1", b"done 2", b"done 3"]


async def test_a_client_too_slow_for_its_own_results_is_given_up() -> None:
    async with outbox(most_bytes=100) as desk:
        desk.kernel.block()
        for text in ("a" * 60, "b" * 60, "c" * 60):
            desk.box.put(frame(text))
        assert desk.given_up == ["it reads too slowly"]
        assert desk.box.waiting == 0


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    async with outbox(stall_s=0.01) as desk:
        desk.kernel.block()
        desk.box.put(frame("a"))
        for _ in range(500):
            await asyncio.sleep(0.01)
            if desk.given_up:
                break
        assert desk.given_up == ["it took nothing for too long"]


async def test_answers_wait_for_room() -> None:
    async with outbox(most_bytes=100) as desk:
        desk.kernel.block()
        desk.box.put(frame("a"))
        desk.box.put(frame("b" * 80))
        waiting = asyncio.ensure_future(desk.box.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        desk.kernel.free()
        await asyncio.wait_for(waiting, 5)


async def test_every_frame_gives_its_pixels_back_once() -> None:
    back: list[str] = []

    def lent(text: str, replaces: str | None = None) -> Outgoing:
        return Outgoing((text.encode(),), replaces, done=lambda: back.append(text))

    async with outbox() as desk:
        desk.box.put(lent("at once"))
        desk.kernel.block()
        desk.box.put(lent("held"))
        desk.box.put(lent("overtaken", "k"))
        desk.box.put(lent("newest", "k"))
        assert back == ["at once", "overtaken"]
        desk.kernel.free()
        await asyncio.wait_for(desk.box.drained(), 5)
        desk.kernel.block()
        desk.box.put(lent("held at the end"))
        desk.box.put(lent("waiting at the end"))
        desk.box.close()
        desk.box.put(lent("too late"))
    assert sorted(back) == sorted(
        ["at once", "overtaken", "held", "newest", "held at the end", "waiting at the end", "too late"]
    )


async def test_a_broken_connection_ends_the_sender_quietly() -> None:
    async with outbox() as desk:
        desk.kernel.block()
        desk.box.put(frame("a"))
        desk.box.put(frame("b"))
        desk.kernel.broken = True
        desk.kernel.free()
        await asyncio.wait_for(desk.box.drained(), 5)
        assert desk.kernel.sent == [b"a"]
        assert desk.given_up == []


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 40)), max_size=60))
def test_the_box_never_holds_more_than_its_bounds(puts: list[tuple[int, bool, int]]) -> None:
    async def play() -> None:
        async with outbox(most_bytes=200, most_frames=8) as desk:
            desk.kernel.block()
            for key, droppable, size in puts:
                replaces = f"k{key}" if key else None
                desk.box.put(Outgoing((bytes(size),), replaces, droppable))
                assert desk.box.waiting <= 8
                assert desk.box.waiting_bytes <= 200

    asyncio.run(play())
