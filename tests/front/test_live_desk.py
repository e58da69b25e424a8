"""Live sessions over the lives of workers: where they are, that they go on, what they cost."""

from __future__ import annotations

from impasto_protocol.messages import LiveRequest, Pixels
from impasto_protocol.rasters import PixelFormat
from impasto_server.front.live_desk import MOST_DEATHS, LiveDesk
from impasto_server.front.scheduler import Scheduler, Urgency
from impasto_server.pool.channel import (
    CloseLive,
    FeedLive,
    LiveEvent,
    LiveFailed,
    LivePainted,
    LiveWaits,
    OpenLive,
)

from tests.fakes.engine import MODEL
from tests.fakes.pool import FakePool

PICTURE = Pixels(1, 1, PixelFormat.RGB8, b"abc")
REQUEST = LiveRequest("c", "a fox")


class House:
    def __init__(self, size: int = 2) -> None:
        self.pool, self.scheduler = FakePool(size=size), Scheduler(workers=size)
        self.desk = LiveDesk(self.pool, self.scheduler)
        self.heard: dict[int, list[LiveEvent]] = {}
        self.newest: dict[int, FeedLive] = {}

    async def up(self, *workers: int) -> House:
        await self.pool.start(self.desk)
        for worker in workers:
            await self.pool.come_up(worker)
        return self

    async def open(self, client: str = "a") -> int:
        async def feed_again() -> None:
            await self.desk.feed(self.newest[live])

        live = await self.desk.open(
            client, REQUEST, lambda event: self.heard.setdefault(event.live, []).append(event), feed_again
        )
        self.heard.setdefault(live, [])
        return live

    async def feed(self, live: int, number: int = 1) -> FeedLive:
        command = self.newest[live] = FeedLive(live, number, PICTURE)
        await self.desk.feed(command)
        return command

    def told(self) -> list[tuple[int, object]]:
        told, self.pool.lives = self.pool.lives, []
        return told


async def test_a_session_goes_to_the_worker_with_the_fewest() -> None:
    house = await House(3).up(0, 1)
    for _ in range(4):
        await house.open()
    await house.pool.come_up(2)
    await house.open()
    assert [worker for worker, _ in house.told()] == [0, 1, 0, 1, 2]


async def test_before_a_worker_is_ready_a_session_waits_with_its_newest_input() -> None:
    house = await House().up()
    live = await house.open()
    await house.feed(live, 1)
    newest = await house.feed(live, 2)
    assert house.told() == []
    assert house.desk.models == ()
    await house.pool.come_up(1)
    assert house.told() == [(1, OpenLive(live, "a", REQUEST)), (1, newest)]
    assert house.desk.models == (MODEL,)


async def test_a_session_goes_on_by_itself_when_its_worker_dies() -> None:
    house = await House(1).up(0)
    live = await house.open()
    await house.feed(live, 1)
    await house.pool.paint_live(PICTURE)
    newest = await house.feed(live, 2)
    house.told()
    await house.pool.die()
    assert house.heard[live][-1] == LiveWaits(live, "loading")
    assert house.told() == []
    newest = await house.feed(live, 3)
    await house.pool.come_up()
    assert house.told() == [(0, OpenLive(live, "a", REQUEST)), (0, newest)]


async def test_where_another_worker_is_ready_it_goes_on_there_at_once() -> None:
    house = await House().up(0, 1)
    live = await house.open()
    fed = await house.feed(live)
    house.told()
    await house.pool.die(0)
    assert house.told() == [(1, OpenLive(live, "a", REQUEST)), (1, fed)]


async def test_a_session_that_takes_worker_after_worker_down_is_ended_and_one_at_rest_is_not() -> None:
    house = await House(1).up(0)
    deadly, idle = await house.open(), await house.open()
    for death in range(MOST_DEATHS):
        await house.feed(deadly, death)
        for live in (deadly, idle):
            await house.pool.tell(LiveWaits(live, "ready"))
        assert not [event for event in house.heard[deadly] if isinstance(event, LiveFailed)]
        await house.pool.die()
        await house.pool.come_up()
    (failed,) = [event for event in house.heard[deadly] if isinstance(event, LiveFailed)]
    assert failed.error.code == "worker_crashed"
    assert not [event for event in house.heard[idle] if isinstance(event, LiveFailed)]
    assert house.told()[-1] == (0, OpenLive(idle, "a", REQUEST))


async def test_where_no_worker_comes_up_the_session_ends_with_a_sentence() -> None:
    house = await House(1).up()
    live = await house.open()
    for _ in range(MOST_DEATHS):
        await house.pool.die()
    assert isinstance(house.heard[live][-1], LiveFailed)


async def test_previews_in_between_show_that_the_session_is_not_to_blame() -> None:
    house = await House(1).up(0)
    live = await house.open()
    for number in range(2 * MOST_DEATHS):
        await house.feed(live, number)
        await house.pool.paint_live(PICTURE)
        await house.feed(live, number)
        await house.pool.die()
        await house.pool.come_up()
    assert not [event for event in house.heard[live] if isinstance(event, LiveFailed)]


async def test_device_time_is_charged_to_the_client() -> None:
    house = await House(1).up(0)
    house.scheduler.ready(0)
    house.scheduler.add(1, "other", Urgency.BATCH)
    house.scheduler.next()
    live = await house.open("live")
    await house.pool.tell(LivePainted(live, 1, PICTURE, 60.0))
    house.scheduler.add(2, "live", Urgency.BATCH)
    house.scheduler.add(3, "still", Urgency.BATCH)
    assert house.scheduler.order() == [3, 2]


async def test_after_its_end_nothing_is_heard_of_a_session() -> None:
    house = await House(1).up(0)
    live = await house.open()
    await house.pool.tell(LiveFailed(live, None))  # type: ignore[arg-type]
    await house.pool.tell(LivePainted(live, 1, PICTURE, 1.0))
    await house.feed(live)
    await house.pool.die()
    await house.pool.come_up()
    assert len(house.heard[live]) == 1
    assert [command for _, command in house.told()] == [OpenLive(live, "a", REQUEST)]


async def test_a_closed_session_is_closed_at_its_worker() -> None:
    house = await House(1).up(0)
    live = await house.open()
    house.desk.close(live)
    house.desk.close(live)
    while house.desk._tasks:
        await next(iter(house.desk._tasks))
    assert [command for _, command in house.told()] == [OpenLive(live, "a", REQUEST), CloseLive(live)]


async def test_a_changed_session_is_opened_again_and_forgets_what_it_was_fed() -> None:
    house = await House(1).up(0)
    live = await house.open()
    await house.feed(live)
    other = LiveRequest("c", "a hen")
    await house.desk.change(live, other)
    assert house.told()[-1] == (0, OpenLive(live, "a", other))
    await house.pool.die()
    await house.pool.come_up()
    assert house.told() == [(0, OpenLive(live, "a", other))]
