"""The desk, with a pool whose workers do what the test says."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from impasto_protocol.errors import (
    BadImage,
    BadValue,
    DiskFull,
    EmptyMask,
    EmptyPrompt,
    ImpastoError,
    NoSuchInput,
    QueueFull,
    SizeMismatch,
    UnknownJob,
    UnknownModel,
    WorkerCrashed,
)
from impasto_protocol.messages import (
    Camera,
    CanvasRef,
    Control,
    GenerateRequest,
    InputRef,
    JobChanged,
    JobProgress,
    Lora,
    Pixels,
    Submit,
    TextureRequest,
    TextureTarget,
    TextureView,
)
from impasto_protocol.rasters import PixelFormat, raster_size
from impasto_server.blobs import BlobStore
from impasto_server.config import DEFAULT_LIMITS
from impasto_server.front.jobs import Inputs, JobDesk
from impasto_server.front.journal import Journal
from impasto_server.front.scheduler import Scheduler
from impasto_server.pool.channel import Painted, Run, decode_layers

from tests.fakes.pool import FakePool

A, B = "a" * 32, "b" * 32
LIMITS = dataclasses.replace(DEFAULT_LIMITS, jobs=4, takes=4, steps=100, canvas_px=8192)
CANVAS = CanvasRef("picture", 3)


class Client:
    """A connected program: what it heard, in order."""

    def __init__(self) -> None:
        self.heard: list[JobChanged | JobProgress] = []

    def states(self, job: str) -> list[str]:
        return [m.state for m in self.heard if isinstance(m, JobChanged) and m.job == job]

    def last(self, job: str) -> JobChanged:
        return [m for m in self.heard if isinstance(m, JobChanged) and m.job == job][-1]


class House:
    """A desk with all that belongs to it."""

    def __init__(self, home: Path, workers: int = 1) -> None:
        self.blobs = BlobStore(home / "blobs")
        self.pool = FakePool(self.blobs, workers)
        self.journal = Journal(home / "journal.sqlite", self.blobs)
        scheduler = Scheduler(workers=workers)
        self.desk = JobDesk(self.journal, scheduler, self.pool, self.blobs, LIMITS, disk_retry_s=0.01)

    async def listen(self, client: str, last_event: int = 0) -> Client:
        ear = Client()
        (await self.desk.subscribe(client, last_event, ear.heard.append)).start()
        return ear

    async def submit(self, number: int, prompt: str = "a fox", client: str = A, **more: object) -> str:
        urgency = str(more.pop("urgency", "interactive"))
        await self.desk.submit(
            client, Submit(name(number), GenerateRequest(prompt, **more), urgency), Inputs()
        )  # type: ignore[arg-type]
        return name(number)


def name(number: int) -> str:
    return f"{number:032x}"


async def until(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never came true")


def pixels(width: int, height: int, format: PixelFormat, value: int = 255) -> Pixels:
    return Pixels(width, height, format, bytes([value]) * raster_size(width, height, format))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.desk.start()
    await house.pool.come_up()
    yield house
    await house.desk.stop()


async def test_a_job_goes_from_queued_over_running_to_done_and_its_layer_can_be_read(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: house.pool.runs)
    await house.pool.progress()
    await house.pool.end()
    await until(lambda: client.states(job) == ["queued", "running", "done"])
    events = [m.event for m in client.heard if isinstance(m, JobChanged)]
    assert events == [1, 2, 3]
    rows = await house.desk.layer(A, job, 0, 1, 1)
    assert bytes(rows.data or b"") == b"a fox".ljust(16)[8:16]
    assert (rows.width, rows.height) == (2, 1)


async def test_each_finished_take_is_in_the_journal_before_anybody_hears_of_it(house: House) -> None:
    client = Client()
    heard_in_journal: list[int] = []

    def hear(message: JobChanged | JobProgress) -> None:
        client.heard.append(message)
        if isinstance(message, JobChanged):
            with closing(sqlite3.connect(house.journal._path)) as another:  # sees only what is committed
                ((layers, event),) = another.execute("SELECT layers, event FROM jobs").fetchall()
            heard_in_journal.append(len(decode_layers(layers)))
            assert event >= message.event

    (await house.desk.subscribe(A, 0, hear)).start()
    job = await house.submit(1, takes=3)
    await until(lambda: client.states(job) == ["queued", "running"])
    for count in (1, 2):
        await house.pool.paint(count)
        await until(lambda count=count: len(client.last(job).layers) == count)  # type: ignore[misc]
        last = bytes([*b"a fox   ", *b" " * (9 - count), *bytes(count - 1)])
        assert bytes((await house.desk.layer(A, job, count - 1, 1, 1)).data or b"") == last[-8:]
        with pytest.raises(BadValue, match=f"no number {count}"):
            await house.desk.layer(A, job, count, 0, 1)
    assert (await house.desk.thumbnail(A, job, 1, 16)).width == 2
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    assert [(m.state, len(m.layers)) for m in client.heard if isinstance(m, JobChanged)] == [
        ("queued", 0),
        ("running", 0),
        ("running", 1),
        ("running", 2),
        ("done", 3),
    ]
    assert heard_in_journal == [0, 0, 1, 2, 3]


@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_job_that_is_cancelled_or_fails_keeps_what_is_finished(house: House, end: str) -> None:
    client = await house.listen(A)
    job = await house.submit(1, takes=3)
    await until(lambda: client.states(job) == ["queued", "running"])
    await house.pool.paint(2)
    await until(lambda: len(client.last(job).layers) == 2)
    if end == "cancelled":
        await house.desk.cancel(A, job)
        await house.pool.paint(3)  # too late: it has a final state
    await house.pool.end(state=end, finished=2)
    await until(lambda: client.last(job).state == end)
    assert len(client.last(job).layers) == 2
    other = await house.submit(2)
    await until(lambda: len(house.pool.runs) == 2)
    await house.pool.end()
    await until(lambda: client.last(other).state == "done")
    kept, _ = await house.desk.jobs(A)
    assert (kept.state, kept.layers) == (end, client.last(job).layers)
    assert (await house.desk.layer(A, job, 1, 0, 2)).height == 2
    assert (await house.desk.thumbnail(A, job, 1, 16)).height == 2
    await house.desk.forget(A, job)
    with pytest.raises(UnknownJob):
        await house.desk.layer(A, job, 0, 0, 2)


async def test_a_job_that_is_tried_again_shows_its_takes_and_ends_with_each_once(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1, takes=3)
    await until(lambda: client.states(job) == ["queued", "running"])
    await house.pool.paint(2)
    await until(lambda: len(client.last(job).layers) == 2)
    await house.pool.die()
    await house.pool.come_up()
    await until(lambda: len(house.pool.runs) == 2 and client.last(job).state == "running")
    await house.pool.paint(1)
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    counts = [len(m.layers) for m in client.heard if isinstance(m, JobChanged)]
    assert counts == [0, 0, 2, 2, 2, 3]
    assert len({bytes((await house.desk.layer(A, job, take, 0, 2)).data or b"") for take in range(3)}) == 3


async def test_a_job_that_dies_twice_keeps_what_it_had_finished(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1, takes=3)
    for count in (2, 1):
        await until(lambda: house.pool.running[0])
        await house.pool.paint(count)
        await until(lambda: len(client.last(job).layers) == 2)
        await house.pool.die()
        await house.pool.come_up()
    await until(lambda: client.last(job).state == "failed")
    assert len(client.last(job).layers) == 2


async def test_news_of_a_worker_about_a_job_it_does_not_have_change_nothing(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1, takes=2)
    await until(lambda: client.states(job) == ["queued", "running"])
    command = house.pool.running[0][-1]
    await house.desk.worker_event(7, Painted(command.job, [house.pool._layer(command)]))
    await house.desk.worker_event(0, Painted("99", [house.pool._layer(command)]))
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    assert client.states(job) == ["queued", "running", "done"]


async def test_a_take_that_finds_the_disk_full_comes_with_the_last_word(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await house.listen(A)
    job = await house.submit(1, takes=2)
    await until(lambda: client.states(job) == ["queued", "running"])
    refused: list[int] = []

    async def full(number: int, layers: object) -> None:
        refused.append(number)
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(house.journal, "keep", full)
    await house.pool.paint(1)
    await until(lambda: refused)
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    assert (refused, len(client.last(job).layers)) == ([1], 2)


async def test_submitting_twice_is_one_job(house: House) -> None:
    client = await house.listen(A)
    job = name(1)
    await asyncio.gather(*[house.submit(1) for _ in range(5)])
    await until(lambda: house.pool.runs)
    await house.submit(1, prompt="")  # not even looked at: the first one counts
    assert len(house.pool.runs) == 1
    assert client.states(job).count("queued") + client.states(job).count("running") == len(client.states(job))
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    await house.submit(1)
    assert client.last(job).state == "done"
    assert len(house.pool.runs) == 1


async def test_the_seed_is_drawn_once_so_that_a_retry_paints_the_same(house: House) -> None:
    await house.listen(A)
    await house.submit(1)
    await until(lambda: house.pool.runs)
    await house.pool.die()
    await house.pool.come_up()
    await until(lambda: len(house.pool.runs) == 2)
    (_, first), (_, second) = house.pool.runs
    assert first == second
    assert 0 <= first.generate.seed < 2**32


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (GenerateRequest(""), EmptyPrompt),
        (GenerateRequest("  \n"), EmptyPrompt),
        (GenerateRequest("x", steps=101), BadValue),
        (GenerateRequest("x", steps=-1), BadValue),
        (GenerateRequest("x", takes=0), BadValue),
        (GenerateRequest("x", takes=5), BadValue),
        (GenerateRequest("x", width=8193), BadValue),
        (GenerateRequest("x", height=-8), BadValue),
        (GenerateRequest("x", strength=1.01), BadValue),
        (GenerateRequest("x", strength=float("nan")), BadValue),
        (GenerateRequest("x", guidance=float("inf")), BadValue),
        (GenerateRequest("x", seed=2**63), BadValue),
        (GenerateRequest("x", seed=2**63 - 1, takes=2), BadValue),
        (GenerateRequest("x", fill="magic"), BadValue),
        (GenerateRequest("x" * 20_001), BadValue),
        (GenerateRequest("x", mask=CANVAS), BadValue),
        (GenerateRequest("x", model="../../etc"), UnknownModel),
        (GenerateRequest("x", controls=(Control("pose", CANVAS),)), UnknownModel),
        (GenerateRequest("x", loras=(Lora("pen"),)), UnknownModel),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_with_a_sentence(
    house: House, request_: GenerateRequest, error: type[ImpastoError]
) -> None:
    with pytest.raises(error) as refused:
        await house.desk.submit(A, Submit(name(1), request_), Inputs())
    assert refused.value.sentence.endswith(".")
    assert await house.desk.jobs(A) == ()


@pytest.mark.parametrize(
    ("image", "mask", "error"),
    [
        (pixels(8, 8, PixelFormat.RGB8), pixels(8, 7, PixelFormat.GRAY8), SizeMismatch),
        (pixels(8, 8, PixelFormat.RGB8), pixels(8, 8, PixelFormat.GRAY8, 0), EmptyMask),
        (pixels(8, 8, PixelFormat.RGB8), pixels(8, 8, PixelFormat.RGB8), BadImage),
        (pixels(8, 8, PixelFormat.DEPTH32F), pixels(8, 8, PixelFormat.GRAY8), BadImage),
        (Pixels(8, 8, PixelFormat.RGB8, b""), pixels(8, 8, PixelFormat.GRAY8), BadImage),
        (Pixels(0, 0, PixelFormat.RGB8, b""), pixels(8, 8, PixelFormat.GRAY8), BadImage),
    ],
)
async def test_pictures_that_do_not_fit_are_refused_and_nothing_of_them_is_kept(
    house: House, image: Pixels, mask: Pixels, error: type[ImpastoError]
) -> None:
    request = GenerateRequest("x", image=CANVAS, mask=CANVAS)
    with pytest.raises(error):
        await house.desk.submit(A, Submit(name(1), request), Inputs({"image": image, "mask": mask}))
    assert not house.blobs.folder.exists()


async def test_control_images_are_kept_handed_over_and_there_again_after_a_crash(tmp_path: Path) -> None:
    controls = (Control("scribble", CANVAS, 0.5), Control("depth", CANVAS, start=0.25))
    request = GenerateRequest("x", image=CANVAS, controls=controls, loras=(Lora("ink", -1.0),))
    given = {
        "image": pixels(8, 8, PixelFormat.RGB8, 9),
        "control 1": pixels(8, 8, PixelFormat.GRAY8, 7),
        "control 2": pixels(8, 8, PixelFormat.DEPTH32F, 0),
    }
    house = House(tmp_path)
    await house.desk.start()
    await house.desk.submit(A, Submit(name(1), request), Inputs(given))
    (summary,) = await house.desk.jobs(A)
    assert (summary.controls, summary.loras) == (("scribble", "depth"), ("ink",))
    await house.desk.stop()  # with the job in the queue

    again = House(tmp_path)
    await again.desk.start()
    await again.pool.come_up()
    await until(lambda: again.pool.runs)
    run = again.pool.runs[0][1]
    assert {role: bytes(again.blobs.read(ref)) for role, ref in run.pictures.items()} == {
        role: one.data for role, one in given.items()
    }
    assert run.generate == dataclasses.replace(request.with_pictures(run.pictures), seed=run.generate.seed)
    await again.pool.end()
    replayed = dataclasses.replace(run.generate, image=None)
    await again.desk.submit(A, Submit(name(2), replayed), Inputs())
    await until(lambda: len(again.pool.runs) == 2)
    del run.pictures["image"]
    assert again.pool.runs[1][1].pictures == run.pictures
    with pytest.raises(NoSuchInput):
        await again.desk.submit(B, Submit(name(3), replayed), Inputs())
    await again.desk.stop()


async def test_a_texture_job_s_pictures_are_handed_over_by_role_also_after_a_crash(tmp_path: Path) -> None:
    camera = Camera(
        (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -4.0, 0.0, 0.0, 0.0, 1.0),
        (2.5, 0.0, 0.0, 0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, -1.0, -0.2, 0.0, 0.0, -1.0, 0.0),
        16,
        16,
    )
    targets = (TextureTarget("a", 16, 16, CANVAS), TextureTarget("b", 32, 16))
    views = (TextureView(camera), TextureView(camera, CANVAS, CANVAS))
    request = GenerateRequest("x", texture=TextureRequest(CANVAS, targets, views))
    given = {
        "geometry": pixels(8192, 1, PixelFormat.GRAY8, 1),
        "base 1": pixels(16, 16, PixelFormat.RGBA8, 2),
        "view 2": pixels(16, 16, PixelFormat.RGB8, 3),
        "view mask 2": pixels(16, 16, PixelFormat.GRAY8, 4),
    }
    house = House(tmp_path)
    await house.desk.start()
    await house.desk.submit(A, Submit(name(1), request), Inputs(given))
    await house.desk.stop()

    again = House(tmp_path)
    await again.desk.start()
    await again.pool.come_up()
    await until(lambda: again.pool.runs)
    run = again.pool.runs[0][1]
    assert {role: bytes(again.blobs.read(ref)) for role, ref in run.pictures.items()} == {
        role: one.data for role, one in given.items()
    }
    assert run.generate == dataclasses.replace(request.with_pictures(run.pictures), seed=run.generate.seed)
    await again.pool.paint(3)
    await again.pool.end()
    await until(lambda: not again.desk._unfinished)
    (summary,) = await again.desk.jobs(A)
    assert len(summary.layers) == request.layers == 4
    await again.desk.stop()


async def test_inputs_are_kept_for_replaying_and_belong_to_their_client(house: House) -> None:
    image = pixels(8, 8, PixelFormat.RGB8, 9)
    await house.desk.submit(A, Submit(name(1), GenerateRequest("", image=CANVAS)), Inputs({"image": image}))
    await until(lambda: house.pool.runs)
    ref = house.pool.runs[0][1].pictures["image"]
    assert isinstance(ref, InputRef)
    assert bytes((await house.desk.input(A, ref.digest, 0, 8)).data or b"") == image.data
    await house.pool.end()
    await house.submit(2, image=ref)
    await until(lambda: len(house.pool.runs) == 2)
    assert house.pool.runs[1][1].pictures["image"] == ref
    with pytest.raises(NoSuchInput):
        await house.submit(3, client=B, image=ref)
    with pytest.raises(NoSuchInput):
        await house.desk.input(B, ref.digest, 0, 8)
    with pytest.raises(BadValue):
        await house.desk.input(A, ref.digest, 4, 5)


async def test_a_client_has_so_many_unfinished_jobs_and_no_more(house: House) -> None:
    for number in range(LIMITS.jobs):
        await house.submit(number)
    with pytest.raises(QueueFull):
        await house.submit(99)
    await house.submit(100, client=B)
    await house.submit(0)  # known already: no new job
    await house.pool.end()
    await until(lambda: len(house.pool.runs) == 2)
    await house.submit(99)


async def test_cancelling_a_waiting_job_takes_it_out_at_once(house: House) -> None:
    client = await house.listen(A)
    await house.submit(1)
    waiting = await house.submit(2)
    await house.desk.cancel(A, waiting)
    assert client.last(waiting).state == "cancelled"
    await house.pool.end()
    await house.submit(3)
    await until(lambda: len(house.pool.runs) == 2)
    assert house.pool.cancels == []
    assert [run.job for _, run in house.pool.runs] == ["1", "3"]


@pytest.mark.parametrize("end", ["cancelled", "done", "failed"])
async def test_a_cancelled_job_stays_cancelled_however_its_worker_ends_it(house: House, end: str) -> None:
    client = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: client.states(job) == ["queued", "running"])
    await house.desk.cancel(A, job)
    assert client.last(job).state == "cancelled", "acknowledged before the worker has even heard"
    assert house.pool.cancels == [(0, "1")]
    await house.desk.cancel(A, job)
    await house.pool.end(state=end)
    other = await house.submit(2)
    await house.pool.end()
    await until(lambda: client.last(other).state == "done")
    assert set(client.states(job)) == {"queued", "running", "cancelled"}
    assert [summary.state for summary in await house.desk.jobs(A)] == ["cancelled", "done"]


async def test_a_job_that_is_cancelled_on_its_way_to_the_worker_does_not_hold_the_device(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, arrived, gate = house.pool.run, asyncio.Event(), asyncio.Event()

    async def slow_run(worker: int, command: Run) -> None:
        arrived.set()
        await gate.wait()
        await run(worker, command)

    monkeypatch.setattr(house.pool, "run", slow_run)
    job = await house.submit(1)
    await arrived.wait()
    await house.desk.cancel(A, job)
    house.pool.cancels.clear()  # this one came before the job did: a worker ignores it
    gate.set()
    await until(lambda: house.pool.cancels == [(0, "1")])


async def test_a_finished_job_stays_finished_when_it_is_cancelled(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: house.pool.runs)
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    heard = len(client.heard)
    await house.desk.cancel(A, job)
    assert len(client.heard) == heard + 1, "the client hears how it stands"
    assert client.last(job).state == "done"


async def test_nobody_can_cancel_forget_or_see_the_job_of_another(house: House) -> None:
    client, stranger = await house.listen(A), await house.listen(B)
    job = await house.submit(1)
    with pytest.raises(UnknownJob):
        await house.desk.cancel(B, job)
    await house.desk.forget(B, job)
    await until(lambda: house.pool.runs)
    await house.pool.end()
    await until(lambda: client.last(job).state == "done")
    with pytest.raises(UnknownJob):
        await house.desk.layer(B, job, 0, 0, 1)
    assert stranger.heard == []
    assert await house.desk.jobs(B) == ()


async def test_a_cancel_right_behind_its_submit_finds_the_job(house: House) -> None:
    client = await house.listen(A)
    submitting = asyncio.ensure_future(house.submit(1))
    await asyncio.sleep(0)
    await house.desk.cancel(A, name(1))
    await submitting
    assert client.last(name(1)).state == "cancelled"


async def test_a_client_that_vanishes_while_its_job_is_accepted_still_has_it(house: House) -> None:
    submitting = asyncio.ensure_future(house.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    submitting.cancel()
    await until(lambda: house.pool.runs)
    client = await house.listen(A)
    assert client.states(name(1)) in (["queued"], ["running"])


async def test_forgetting_takes_the_job_off_the_list_and_stops_it(house: House) -> None:
    await house.submit(1)
    await until(lambda: house.pool.runs)
    await house.desk.forget(A, name(1))
    assert await house.desk.jobs(A) == ()
    assert house.pool.cancels == [(0, "1")]
    await house.desk.forget(A, name(1))
    with pytest.raises(UnknownJob):
        await house.desk.cancel(A, name(1))


async def test_who_comes_back_gets_what_it_missed_then_what_happens(house: House) -> None:
    before = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: before.states(job) == ["queued", "running"])
    seen = before.last(job).event
    second = await house.submit(2)

    back = Client()
    subscription = await house.desk.subscribe(A, seen, back.heard.append)
    assert subscription.newest_event == seen + 1
    await house.pool.end()
    await until(lambda: before.last(job).state == "done")
    assert back.heard == [], "nothing before Welcome"
    subscription.start()
    await until(lambda: back.states(second)[-1:] == ["running"])
    events = [message.event for message in back.heard if isinstance(message, JobChanged)]
    assert events == sorted(set(events))
    assert back.states(job) == ["done"]

    subscription.close()
    subscription.close()
    heard = len(back.heard)
    await house.pool.end()
    await until(lambda: before.last(second).state == "done")
    assert len(back.heard) == heard


async def test_a_worker_that_dies_costs_its_job_one_more_try_and_then_an_error(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: client.states(job) == ["queued", "running"])
    await house.pool.die()
    await house.pool.come_up()
    await until(lambda: client.states(job) == ["queued", "running"] * 2)
    await house.pool.die()
    await until(lambda: client.last(job).state == "failed")
    error = client.last(job).error
    assert error is not None
    assert error.code == "worker_crashed"
    await house.pool.come_up()
    good = await house.submit(2)
    await until(lambda: len(house.pool.runs) == 3)
    await house.pool.end()
    await until(lambda: client.last(good).state == "done")


async def test_a_job_that_only_waited_on_a_dying_worker_is_not_blamed(house: House) -> None:
    client = await house.listen(A)
    patient = await house.submit(1, urgency="batch")
    await until(lambda: client.states(patient)[-1:] == ["running"])
    held_by = lambda prompt: [run.generate.prompt for run in house.pool.running[0]][-1:] == [prompt]  # noqa: E731
    for number in (2, 3):
        await house.submit(number, "a killer", client=B)
        for _ in range(2):
            await until(lambda: held_by("a killer"))
            await house.pool.die()
            await until(lambda: not house.pool.running[0])
            await house.pool.come_up()
        await until(lambda: held_by("a fox"))
    await house.pool.end()
    await until(lambda: client.last(patient).state == "done")


async def test_when_no_worker_comes_up_jobs_fail_with_a_sentence_instead_of_waiting_for_ever(
    tmp_path: Path,
) -> None:
    house = House(tmp_path)
    await house.desk.start()
    client = await house.listen(A)
    job = await house.submit(1)
    for _ in range(3):
        await house.pool.die()
    await until(lambda: client.last(job).state == "failed")
    with pytest.raises(WorkerCrashed, match="impasto doctor"):
        await house.desk.models()
    await house.pool.come_up()
    assert [model.model for model in await house.desk.models()] == ["pocket"]
    assert house.desk.device == "cpu fake"
    await house.desk.stop()


async def test_what_a_crash_interrupted_goes_on_in_order_without_anybody_asking(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.desk.start()
    await house.pool.come_up()
    for number in (1, 2, 3):
        await house.submit(number)
    await until(lambda: house.pool.runs)
    await house.desk.cancel(A, name(2))
    await house.desk.stop()

    again = House(tmp_path)
    await again.desk.start()
    await again.pool.come_up()
    await until(lambda: again.pool.runs)
    await again.pool.end()
    await until(lambda: len(again.pool.runs) == 2)
    await again.pool.end()
    client = await again.listen(A)
    await until(lambda: client.states(name(3))[-1:] == ["done"])
    assert [run.job for _, run in again.pool.runs] == ["1", "3"]
    assert again.pool.runs[0][1].generate == house.pool.runs[0][1].generate
    assert client.states(name(2)) == ["cancelled"]
    await again.desk.stop()


async def test_a_waiting_client_hears_how_many_are_ahead(house: House) -> None:
    await house.submit(1, client=B)
    await until(lambda: house.pool.runs)
    client = await house.listen(A)
    job = await house.submit(2)

    def positions() -> list[int]:
        return [m.position for m in client.heard if isinstance(m, JobProgress) and m.stage == "waiting"]

    await until(lambda: positions() == [1])
    await house.pool.end()
    await until(lambda: client.states(job)[-1:] == ["running"])


async def test_a_result_that_finds_the_disk_full_is_written_when_there_is_room(house: House) -> None:
    client = await house.listen(A)
    job = await house.submit(1)
    await until(lambda: client.states(job) == ["queued", "running"])
    finish = house.journal.finish
    refusals = 0

    async def full(*values: object, **named: object) -> None:
        nonlocal refusals
        refusals += 1
        raise DiskFull("The disk is full.")

    house.journal.finish = full  # type: ignore[method-assign]
    await house.pool.end()
    await until(lambda: refusals > 2)
    assert client.last(job).state == "running"
    house.journal.finish = finish  # type: ignore[method-assign]
    await until(lambda: client.last(job).state == "done")


async def test_a_note_is_kept_with_the_job_and_replaced(house: House) -> None:
    await house.desk.submit(A, Submit(name(1), GenerateRequest("a fox"), "batch", "first"), Inputs())
    (job,) = await house.desk.jobs(A)
    assert (job.note, job.urgency) == ("first", "batch")
    assert (await house.desk.annotate(A, name(1), "second")).note == "second"
    await house.desk.submit(A, Submit(name(1), GenerateRequest("a fox"), "batch", "first"), Inputs())
    assert [job.note for job in await house.desk.jobs(A)] == ["second"], "submitted again: known already"
    with pytest.raises(UnknownJob):
        await house.desk.annotate(B, name(1), "mine")


async def test_a_note_may_have_64_kib_and_not_a_byte_more(house: House) -> None:
    longest = "ü" * (32 << 10)
    await house.desk.submit(A, Submit(name(1), GenerateRequest("a fox"), note=longest), Inputs())
    assert [job.note for job in await house.desk.jobs(A)] == [longest]
    for attempt in (
        house.desk.submit(A, Submit(name(2), GenerateRequest("a fox"), note=longest + "x"), Inputs()),
        house.desk.annotate(A, name(1), longest + "x"),
    ):
        with pytest.raises(BadValue, match="64 KiB"):
            await attempt
    assert len(await house.desk.jobs(A)) == 1


async def test_thumbnails_are_of_ones_own_layers(house: House) -> None:
    job = await house.submit(1)
    ear = await house.listen(A)
    await until(lambda: house.pool.runs)
    await house.pool.end()
    await until(lambda: "done" in ear.states(job))
    small = await house.desk.thumbnail(A, job, 0, 16)
    assert (small.width, small.height, small.format) == (2, 2, PixelFormat.RGBA8)
    with pytest.raises(UnknownJob):
        await house.desk.thumbnail(B, job, 0, 16)
    with pytest.raises(BadValue, match="no number 1"):
        await house.desk.thumbnail(A, job, 1, 16)
    for longest_px in (15, 513):
        with pytest.raises(BadValue, match="from 16 to 512"):
            await house.desk.thumbnail(A, job, 0, longest_px)
