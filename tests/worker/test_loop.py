"""One job at a time, or one inside the other: how each ends, and that none harms another."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from impasto_protocol.errors import BadModel
from impasto_protocol.messages import (
    Control,
    GenerateRequest,
    LayerInfo,
    LiveRequest,
    ModelInfo,
    Pixels,
    Recipe,
    TextureRequest,
    TextureTarget,
)
from impasto_protocol.rasters import PixelFormat
from impasto_server.blobs import BlobStore
from impasto_server.engine.interface import Input, Layer, StepGate
from impasto_server.pool.channel import (
    CancelRun,
    Ended,
    FeedLive,
    LivePainted,
    ModelsChanged,
    OpenLive,
    Painted,
    Ready,
    Run,
    Stop,
    WorkerEvent,
    decode_event,
)
from impasto_server.pool.memory import PictureMemory
from impasto_server.worker import live as live_module
from impasto_server.worker import loop
from impasto_server.worker.channel_ends import Inbox, Outbox
from impasto_server.worker.loop import Worker

from tests.fakes.engine import LIVE_STEPS, MODEL, FakeEngine, live_pixels, painted


class Bench:
    """A worker on the test's own thread."""

    def __init__(self, tmp_path: Path, engine: FakeEngine) -> None:
        self.blobs = BlobStore(tmp_path / "blobs")
        self.inbox, self.channel = Inbox(), io.BytesIO()
        self.outbox = Outbox(self.channel, PictureMemory(None))
        self.worker = Worker(engine, self.blobs, self.inbox, self.outbox)

    def run(self, prompt: str, job: str = "1", **more: object) -> Ended:
        command = Run(job, GenerateRequest(prompt, seed=3, **more))  # type: ignore[arg-type]
        self.inbox.put(command)
        taken = self.inbox.wait(0)
        assert taken is not None
        self.worker.run(taken)
        return self.ended()[-1]

    def ended(self) -> list[Ended]:
        return [event for event in self.events() if isinstance(event, Ended)]

    def events(self) -> list[WorkerEvent]:
        self.outbox.flush(10)
        data, events = self.channel.getvalue(), []
        while data:
            size = int.from_bytes(data[:4], "little")
            events.append(decode_event(data[4 : 4 + size]))
            data = data[4 + size :]
        return events


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0")
    return Bench(tmp_path, FakeEngine(home=tmp_path))


def test_layers_are_stored_before_the_job_is_called_done(bench: Bench) -> None:
    ended = bench.run("a fox", takes=2)
    assert ended.state == "done"
    assert [layer.info.recipe.request.seed for layer in ended.layers] == [3, 4]
    assert bytes(bench.blobs.read(ended.layers[0].pixels)) == painted(GenerateRequest("a fox", seed=3))


def test_each_take_is_stored_and_told_as_soon_as_it_is_finished_but_the_last(bench: Bench) -> None:
    ended = bench.run("a fox", takes=3)
    news = [event for event in bench.events() if isinstance(event, (Painted, Ended))]
    assert [type(event) for event in news] == [Painted, Painted, Ended]
    assert [event.layers for event in news] == [ended.layers[:1], ended.layers[:2], ended.layers]
    assert len({layer.pixels for layer in ended.layers}) == 3


def test_each_layer_of_a_texture_job_is_told_as_soon_as_it_is_finished_but_the_last(bench: Bench) -> None:
    texture = TextureRequest(targets=(TextureTarget("a", 16, 16), TextureTarget("b", 16, 16)), around=2)
    ended = bench.run("a fox", texture=texture)
    news = [event for event in bench.events() if isinstance(event, (Painted, Ended))]
    assert [len(event.layers) for event in news] == [1, 2, 3, 4]
    assert news[-1] == ended


def test_a_single_take_is_told_once(bench: Bench) -> None:
    assert len(bench.run("a fox").layers) == 1
    assert [type(event) for event in bench.events()][-1:] == [Ended]
    assert not [event for event in bench.events() if isinstance(event, Painted)]


@pytest.mark.parametrize(("stop", "state"), [(CancelRun("1"), "cancelled"), (None, "failed")])
def test_what_is_finished_goes_with_the_last_word_however_the_job_ends(
    tmp_path: Path, stop: CancelRun | None, state: str
) -> None:
    class Stopping(Interrupted):
        def _misbehave(self, prompt: str) -> None:
            super()._misbehave(prompt)
            if self.at == 0 and stop is None:
                raise MemoryError

    engine = Stopping(7)  # at the third step of the second take
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    engine.arrives = [stop] if stop is not None else []
    ended = bench.run("slow", takes=3)
    assert (ended.state, len(ended.layers)) == (state, 1)
    first = painted(GenerateRequest("slow", seed=3))
    assert bytes(bench.blobs.read(ended.layers[0].pixels)) == first


@pytest.mark.parametrize(
    ("format", "shape", "dtype"),
    [
        (PixelFormat.RGB8, (2, 3, 3), "u1"),
        (PixelFormat.GRAY8, (2, 3), "u1"),
        (PixelFormat.GRAY16, (2, 3), "u2"),
        (PixelFormat.RGBA16, (2, 3, 4), "u2"),
        (PixelFormat.DEPTH32F, (2, 3), "f4"),
    ],
)
def test_the_engine_sees_inputs_as_arrays_it_cannot_change(
    tmp_path: Path, format: PixelFormat, shape: tuple[int, ...], dtype: str
) -> None:
    given = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    seen: list[Input] = []

    class Looker(FakeEngine):
        def generate(
            self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
        ) -> Sequence[Layer]:
            assert list(pictures) == ["image", "control 1"]
            seen.extend(pictures.values())
            return []

    bench = Bench(tmp_path, Looker())
    ref = bench.blobs.put(given.tobytes(), 3, 2, format)
    request = GenerateRequest("x", image=ref, controls=(Control("depth", ref),))
    bench.worker.run(Run("1", request, {"image": ref, "control 1": ref}))
    assert len(seen) == 2
    for one in seen:
        assert np.array_equal(one.pixels, given)
        assert one.pixels.dtype == dtype
        assert not one.pixels.flags.writeable


def test_the_artist_reads_what_to_do_and_never_a_traceback(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    error = bench.run("break").error
    assert error is not None
    assert error.code == "internal"
    assert "secret" not in error.sentence
    reference = error.sentence.split()[-1].rstrip(".")
    record = next(record for record in caplog.records if reference in record.getMessage())
    assert record.exc_info is not None, "the log has it all"


def test_running_out_of_memory_is_called_by_its_name_and_the_next_job_works(bench: Bench) -> None:
    error = bench.run("exhaust").error
    assert error is not None
    assert error.code == "out_of_memory"
    assert bench.run("a fox", job="2").state == "done"


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 20 MiB",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_torch_running_out_of_memory_is_told_by_its_words(tmp_path: Path, words: str) -> None:
    class Greedy(FakeEngine):
        def generate(self, *_: object) -> Sequence[Layer]:
            raise RuntimeError(words)

    error = Bench(tmp_path, Greedy()).run("x").error
    assert error is not None
    assert error.code == "out_of_memory"


def test_a_typed_error_of_the_engine_reaches_the_artist_word_for_word(tmp_path: Path) -> None:
    class Picky(FakeEngine):
        def generate(self, *_: object) -> Sequence[Layer]:
            raise BadModel("The file model.safetensors is cut short. Download it again.")

    error = Bench(tmp_path, Picky()).run("x").error
    assert error is not None
    assert (error.code, error.sentence) == (
        "bad_model",
        "The file model.safetensors is cut short. Download it again.",
    )


def test_a_layer_of_another_shape_than_announced_is_a_defect_not_a_result(tmp_path: Path) -> None:
    class Sloppy(FakeEngine):
        def generate(
            self, request: GenerateRequest, pictures: Mapping[str, Input], gate: StepGate
        ) -> Sequence[Layer]:
            info = LayerInfo("x", 0, 0, 4, 4, PixelFormat.RGBA8, Recipe(request, "", ""))
            gate.deliver(Layer(info, np.zeros((4, 4, 3), "u1")))
            return []

    error = Bench(tmp_path, Sloppy()).run("x").error
    assert error is not None
    assert error.code == "internal"


class Interrupted(FakeEngine):
    """Before step `at` of the job "slow", something arrives."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.arrives: list[Run | CancelRun | Stop] = []
        self.inbox: Inbox | None = None

    def _misbehave(self, prompt: str) -> None:
        if prompt == "slow":
            self.at -= 1
            if self.at == 0:
                assert self.inbox is not None
                for command in self.arrives:
                    self.inbox.put(command)
        super()._misbehave(prompt)


@pytest.mark.parametrize("at", [1, 2, 3, 5])
def test_a_job_that_was_set_aside_ends_with_the_bytes_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0")
    engine = Interrupted(at)
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    urgent = GenerateRequest("urgent", seed=5)
    engine.arrives = [Run("2", urgent), Run("3", GenerateRequest("break")), CancelRun("4")]
    bench.run("slow", steps=6)
    ended = {event.job: event for event in bench.ended()}
    assert list(ended) == ["3", "2", "1"]
    assert [ended[job].state for job in "123"] == ["done", "done", "failed"]
    slow = GenerateRequest("slow", seed=3, steps=6)
    assert bytes(bench.blobs.read(ended["1"].layers[0].pixels)) == painted(slow)
    assert bytes(bench.blobs.read(ended["2"].layers[0].pixels)) == painted(urgent)


def test_a_nested_job_that_is_cancelled_leaves_the_one_below_alone(tmp_path: Path) -> None:
    engine = Interrupted(2)
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    engine.arrives = [Run("2", GenerateRequest("urgent")), CancelRun("2")]
    bench.run("slow")
    assert [(event.job, event.state) for event in bench.ended()] == [("2", "cancelled"), ("1", "done")]


def test_a_cancelled_job_ends_and_the_urgent_one_behind_it_still_runs(tmp_path: Path) -> None:
    engine = Interrupted(2)
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    engine.arrives = [Run("2", GenerateRequest("urgent")), CancelRun("1")]
    assert bench.run("slow").state == "cancelled"
    waiting = bench.inbox.wait(0)
    assert waiting is not None
    bench.worker.run(waiting)
    assert bench.ended()[-1].state == "done"


def test_new_models_and_adapters_are_told_also_while_the_queue_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPASTO_FAKE_STEP_S", "0")
    monkeypatch.setattr(loop, "LOOK_FOR_MODELS_S", 0.0)
    jobs = [Run(str(number), GenerateRequest("x", seed=number)) for number in range(3)]

    class Growing(FakeEngine):
        def models(self) -> list[ModelInfo]:
            if not jobs:
                bench.inbox.put(Stop())
            else:
                bench.inbox.put(jobs.pop())
            return [replace(MODEL, loras=("ink", "pen")[: 1 if len(jobs) > 1 else 2])]

    bench = Bench(tmp_path, Growing(home=tmp_path))
    bench.worker.serve()
    told = [event.models[0].loras for event in bench.events() if isinstance(event, (Ready, ModelsChanged))]
    assert told == [("ink",), ("ink", "pen")]
    assert len(bench.ended()) == 3


def test_a_worker_that_is_stopped_says_nothing_about_its_jobs(tmp_path: Path) -> None:
    engine = Interrupted(2)
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    engine.arrives = [Stop()]
    bench.inbox.put(Run("1", GenerateRequest("slow")))
    bench.worker.serve()
    assert bench.ended() == []


# ── live previews between jobs, and between their steps ──────────────────────────────────────────────────

PICTURE = Pixels(16, 16, PixelFormat.RGB8, bytes(range(256)) * 3)
SKETCH = LiveRequest("c", "sketch", refine_steps=-1)


def fed(number: int, live: int = 1) -> FeedLive:
    return FeedLive(live, number, PICTURE)


class Sketched(FakeEngine):
    """An artist draws at every step of a job, for `inputs` inputs; then the worker is told to stop. `log` has
    what was begun: "step" of a job, or the number of a live input."""

    inbox: Inbox

    def __init__(self, inputs: int, home: Path) -> None:
        super().__init__(home=home)
        self.left = inputs
        self.log: list[str] = []

    def _misbehave(self, prompt: str) -> None:
        self.log.append("live" if prompt == SKETCH.prompt else "step")
        if self.left and prompt != SKETCH.prompt:
            self.inbox.put(fed(self.left))
            self.left -= 1


def test_live_goes_between_the_steps_of_a_job_whose_bytes_and_time_are_as_without_it(tmp_path: Path) -> None:
    engine = Sketched(6, tmp_path)
    engine._step_s = 0.01
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    bench.inbox.put(OpenLive(1, "a", SKETCH))
    ended = bench.run("slow", steps=6)
    frame = ["live"] * LIVE_STEPS
    assert engine.log == ["step", *([*frame, "step"] * 5)]
    shown = [event for event in bench.events() if isinstance(event, LivePainted)]
    assert [event.input for event in shown] == [6, 5, 4, 3, 2], "the newest, at the very next step"
    slow = GenerateRequest("slow", seed=3, steps=6)
    assert bytes(bench.blobs.read(ended.layers[0].pixels)) == painted(slow)
    assert ended.device_s < sum(event.device_s for event in shown), "6 steps of its own, 20 of live frames"


def test_a_job_always_gets_on_under_live_input_that_never_ends(tmp_path: Path) -> None:
    engine = Sketched(10_000, tmp_path)
    engine._step_s = 0.0
    bench = Bench(tmp_path, engine)
    engine.inbox = bench.inbox
    for live in (1, 2, 3):
        bench.inbox.put(OpenLive(live, str(live), SKETCH))
        bench.inbox.put(fed(0, live))
    assert bench.run("slow", steps=30).state == "done"
    most = max(len(run) for run in "".join("s" if one == "step" else "l" for one in engine.log).split("s"))
    assert most <= 3 * LIVE_STEPS, "one frame of each session between two steps"


def test_live_is_first_but_after_a_frame_a_job_that_waits_is_begun(tmp_path: Path) -> None:
    class Flood(FakeEngine):
        """There is always another input."""

        def _misbehave(self, prompt: str) -> None:
            log.append(prompt)
            bench.inbox.put(fed(len(log)))
            if log.count("slow") == 3:
                bench.inbox.put(Stop())

    log: list[str] = []
    bench = Bench(tmp_path, Flood(home=tmp_path))
    bench.inbox.put(OpenLive(1, "a", SKETCH))
    bench.inbox.put(fed(0))
    bench.inbox.put(Run("1", GenerateRequest("slow", steps=50)))
    bench.worker.serve()
    assert log[0] == "sketch"
    first = log.index("slow")
    assert first == 2 * (1 + LIVE_STEPS), "a frame, begun twice; then one more in the gate of the job"
    assert "sketch" in log[first:], "its gate goes on with live"


def test_a_worker_at_rest_refines_and_waits_without_a_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "REFINE_AFTER_S", 0.0)
    waits: list[float] = []

    class Counted(Inbox):
        def wait(self, timeout_s: float) -> Run | None:
            waits.append(timeout_s)
            if timeout_s == loop.LOOK_FOR_MODELS_S:
                self.put(Stop())
            return super().wait(timeout_s)

    bench = Bench(tmp_path, FakeEngine(home=tmp_path))
    bench.inbox = Counted()
    bench.worker = Worker(FakeEngine(home=tmp_path), bench.blobs, bench.inbox, bench.outbox)
    bench.inbox.put(OpenLive(1, "a", LiveRequest("c", "sketch")))
    bench.inbox.put(fed(1))
    bench.worker.serve()
    shown = [(event.input, event.refined) for event in bench.events() if isinstance(event, LivePainted)]
    assert shown == [(1, False), (1, True)]
    assert len(waits) <= 4, "then it sleeps"


def test_what_a_live_frame_shows_is_what_the_engine_painted(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FakeEngine(home=tmp_path))
    mask = Pixels(16, 16, PixelFormat.GRAY8, bytes(256))
    depth = Pixels(16, 16, PixelFormat.DEPTH32F, np.arange(256, dtype="<f4").tobytes())
    bench.inbox.put(OpenLive(1, "a", SKETCH))
    bench.inbox.put(FeedLive(1, 1, PICTURE, mask, (depth,)))
    bench.worker._live.paint_next()
    (event,) = [event for event in bench.events() if isinstance(event, LivePainted)]
    image, gray = np.frombuffer(PICTURE.data, "u1").reshape(16, 16, 3), np.zeros((16, 16), "u1")
    expected = live_pixels(SKETCH, image, gray, [np.arange(256, dtype="<f4").reshape(16, 16)])
    assert event.pixels == Pixels(16, 16, PixelFormat.RGB8, expected.tobytes())
