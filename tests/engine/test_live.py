"""Live sittings: what a change costs, who is disturbed, and what is never forgotten."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from impasto_protocol import errors
from impasto_protocol.messages import Control, GenerateRequest, LiveControl, LiveRequest, Lora
from impasto_server.engine.interface import LiveSitting, Raster

from tests.engine.conftest import as_input, by_role, disc, model_of, picture, without_copies
from tests.engine.gates import Listener, Yielding

REQUEST = LiveRequest("picture", "a red circle", model="tiny", seed=7, steps=5)
IMAGE = picture(64, 64)
MASK = disc(64, 64, 30, 34, 14)
SHADES = picture(64, 64, channels=1)
DEPTH = LiveControl("depth", "shades")


@pytest.fixture(autouse=True, scope="module")
def shared_modules(engine: Any) -> Iterator[None]:
    """Those that jobs use, so that what frames cost them is seen; `test_live_copies.py` has the others."""
    with without_copies(engine):
        yield


def always(done: int, steps: int) -> bool:
    return True


def sit(engine: Any, request: LiveRequest = REQUEST) -> LiveSitting:
    sitting: LiveSitting = engine.sit(request, lambda: None)
    return sitting


def shown(sitting: LiveSitting, *inputs: Any, refined: bool = False) -> Raster:
    """inputs: image, mask, controls; by default the picture alone."""
    image, mask, *controls = (*inputs, None)[: max(len(inputs), 2)] if inputs else (IMAGE, None)
    frame = sitting.paint(image, mask, controls, always, refined=refined)
    assert frame is not None
    return frame.pixels.copy()


@contextmanager
def counted(engine: Any, part: str) -> Iterator[list[int]]:
    """Calls of a part of the tiny model."""
    calls: list[int] = []
    handle = model_of(engine, "tiny").modules[part].register_forward_pre_hook(lambda *_: calls.append(1))
    try:
        yield calls
    finally:
        handle.remove()


# ── what a change costs ──────────────────────────────────────────────────────────────────────────────────


def test_a_new_prompt_costs_one_pass_of_the_text_encoder_and_nothing_else_costs_any(engine: Any) -> None:
    plain = shown(sit(engine))
    loops = engine._live.ateliers[model_of(engine, "tiny")].loops
    before = set(loops)
    changes = {
        "prompt": (replace(REQUEST, prompt="a red on"), 1),
        "the old prompt": (REQUEST, 0),
        "seed": (replace(REQUEST, seed=8), 0),
        "strength": (replace(REQUEST, strength=0.55), 0),
        "guidance": (replace(REQUEST, guidance=4.0), 0),
        "LoRA": (replace(REQUEST, loras=(Lora("ink"),)), 0),
        "its weight": (replace(REQUEST, loras=(Lora("ink", 0.5),)), 0),
    }
    for what, (request, passes) in changes.items():
        with counted(engine, "text_encoder") as calls:
            changed = shown(sit(engine, request))
        assert len(calls) == passes, what
        assert np.array_equal(changed, plain) == (request == REQUEST), what
        assert set(loops) == before, what  # no buffers were made anew


def test_frames_of_one_sitting_prepare_nothing_twice(engine: Any) -> None:
    sitting = sit(engine, replace(REQUEST, mask="selection", controls=(DEPTH,), seed=123))
    frames = [sitting.paint(picture(64, 64, seed=n), MASK, [SHADES], always) for n in range(3)]
    stages = [list(frame.stages) for frame in frames if frame is not None]
    sampling = ["encoding", "sampling", "decoding"]
    assert stages == [["preparing", *sampling], sampling, sampling]
    moved = sitting.paint(IMAGE, np.roll(MASK, 8), [SHADES], always)
    assert moved is not None
    assert list(moved.stages) == ["preparing", *sampling]


def test_loading_is_announced_once(engine: Any) -> None:
    engine._shelf.models.clear()
    said: list[str] = []
    engine.sit(replace(REQUEST, loras=(Lora("ink"),)), lambda: said.append("loading"))
    assert said == ["loading", "loading"]  # the model, then the LoRA
    engine.sit(replace(REQUEST, loras=(Lora("ink"),)), lambda: said.append("again"))
    assert "again" not in said


def test_frames_leave_nothing_behind(engine: Any) -> None:
    """After a hundred, another hundred takes nothing more; of a few, since others allocate as well."""
    sitting = sit(engine, replace(REQUEST, steps=1, guidance=1.0))
    frames = [picture(64, 64, seed=n) for n in range(4)]

    def hundred() -> tuple[int, int]:
        for number in range(100):
            sitting.paint(frames[number % 4], None, (), always)
        gc.collect()
        return sys.getallocatedblocks(), psutil.Process().memory_info().rss

    hundred()
    held = [hundred() for _ in range(6)]
    grown = [(later[0] - one[0], later[1] - one[1]) for one, later in pairwise(held)]
    assert min(blocks for blocks, _ in grown) < 50, grown  # one left by each frame would be 100
    assert min(rss for _, rss in grown) < 1 << 18, grown


# ── giving up, and going on ──────────────────────────────────────────────────────────────────────────────


def test_a_frame_asks_before_each_step_and_before_decoding(engine: Any) -> None:
    asked: list[tuple[int, int]] = []

    def keep_on(done: int, steps: int) -> bool:
        asked.append((done, steps))
        return True

    assert sit(engine).paint(IMAGE, None, (), keep_on) is not None
    assert asked == [(0, 3), (1, 3), (2, 3), (3, 3)]  # 0.6 of 5


@pytest.mark.parametrize("at", range(4))
def test_a_frame_that_was_given_up_leaves_no_trace(engine: Any, at: int) -> None:
    sitting = sit(engine)
    expected = shown(sitting)
    assert sitting.paint(picture(64, 64, seed=9), None, (), lambda done, steps: done < at) is None
    assert np.array_equal(shown(sitting), expected)


def test_sittings_that_take_turns_do_not_see_each_other(engine: Any) -> None:
    """They share buffers, and each keeps its own preview."""
    requests = [REQUEST, replace(REQUEST, prompt="on", seed=1), replace(REQUEST, strength=0.5, guidance=2.0)]
    alone = [shown(sit(engine, request)) for request in requests]
    sittings = [sit(engine, request) for request in requests]
    for _ in range(2):
        frames = [sitting.paint(IMAGE, None, (), always) for sitting in sittings]
        for frame, expected in zip(frames, alone, strict=True):
            assert frame is not None
            assert np.array_equal(frame.pixels, expected)


def test_refining_takes_more_steps_of_the_same_sampler(engine: Any) -> None:
    quick = replace(REQUEST, steps=0)
    for asked, steps in ((0, 12), (5, 5), (30, 18)):  # of the model's 20 by default; at least the quick ones
        sitting = sit(engine, replace(quick, refine_steps=asked))
        with counted(engine, "unet") as calls:
            refined = shown(sitting, refined=True)
        assert len(calls) == steps
        assert np.array_equal(refined, shown(sitting)) == (steps == 5)


# ── inside a job ─────────────────────────────────────────────────────────────────────────────────────────

JOBS: dict[str, tuple[GenerateRequest, tuple[Any, ...]]] = {
    "text": (GenerateRequest("a red circle", model="tiny", steps=4, seed=7), ()),
    "mask, control, LoRA": (
        GenerateRequest(
            "a red circle", model="tiny", steps=4, strength=0.8, seed=7,
            controls=(Control("depth"),), loras=(Lora("wash", -0.5),),
        ),
        (as_input(IMAGE), as_input(MASK)),
    ),
    "another sampler": (GenerateRequest("on", model="ancestral", steps=4, seed=3), ()),
}  # fmt: skip
FRAMES = {
    "plain": (REQUEST, (IMAGE, None)),
    "mask, control, LoRA": (
        replace(REQUEST, mask="selection", controls=(DEPTH,), loras=(Lora("ink"),)), (IMAGE, MASK, SHADES)
    ),
    "another size": (replace(REQUEST, longest_px=96), (picture(96, 72), None)),
    "another model": (replace(REQUEST, model="little"), (IMAGE, None)),
}  # fmt: skip


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("job", JOBS)
def test_frames_inside_a_waiting_job_disturb_neither(engine: Any, job: str, frame: str) -> None:
    request, inputs = JOBS[job]
    controls = [as_input(SHADES)] if request.controls else []

    def painted(gate: Listener) -> bytes:
        return engine.generate(request, by_role(*inputs, controls=controls), gate)[0].pixels.tobytes()

    asked, given = FRAMES[frame]
    painted(Listener())  # loading and reading the prompt meet the gate as well
    undisturbed = Listener()
    alone, alone_frame = painted(undisturbed), shown(sit(engine, asked), *given)
    sitting = sit(engine, asked)
    frames: list[Raster] = []
    gate = Yielding(other=lambda: frames.append(shown(sitting, *given)))
    assert painted(gate) == alone
    assert gate.checks == undisturbed.checks  # the frames' modules did not speak to the job's gate
    assert len(frames) == gate.checks
    assert all(np.array_equal(one, alone_frame) for one in frames)


def test_a_sitting_may_begin_inside_a_waiting_job(engine: Any) -> None:
    request, _ = JOBS["text"]
    alone = engine.generate(request, {}, Listener())[0].pixels.tobytes()
    expected = shown(sit(engine, FRAMES["plain"][0]))
    asked = replace(FRAMES["plain"][0], loras=(Lora("ink"),))
    tuned = shown(sit(engine, asked))

    def begin() -> None:
        engine._shelf.models[model_of(engine, "tiny").digest].prompts = type(model.prompts)()
        assert np.array_equal(shown(sit(engine, REQUEST)), expected)
        assert np.array_equal(shown(sit(engine, asked)), tuned)

    model = model_of(engine, "tiny")
    assert engine.generate(request, {}, Yielding(other=begin))[0].pixels.tobytes() == alone


def test_what_was_dropped_for_room_is_loaded_again(engine: Any) -> None:
    asked = replace(REQUEST, loras=(Lora("ink"),), controls=(DEPTH,))
    sitting = sit(engine, asked)
    expected = shown(sitting, IMAGE, None, SHADES)
    held = model_of(engine, "tiny")
    held.adapters.shed(held.modules, (), all_idle=True)
    assert np.array_equal(shown(sitting, IMAGE, None, SHADES), expected)
    engine._shelf.models.clear()
    assert np.array_equal(shown(sitting, IMAGE, None, SHADES), expected)


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_selected_and_no_strength_give_the_picture_back(engine: Any) -> None:
    with counted(engine, "unet") as calls:
        sitting = sit(engine, replace(REQUEST, mask="selection"))
        assert np.array_equal(shown(sitting, IMAGE, np.zeros_like(MASK)), IMAGE)
        assert np.array_equal(shown(sit(engine, replace(REQUEST, strength=0.0))), IMAGE)
    assert not calls


@pytest.mark.parametrize(
    ("size", "longest_px", "expected"),
    [
        ((64, 64), 0, (64, 64)),
        ((128, 128), 0, (64, 64)),
        ((128, 64), 0, (64, 32)),
        ((40, 56), 0, (40, 56)),
        ((100, 75), 96, (96, 72)),
        ((256, 16), 0, (64, 16)),
    ],
)
def test_previews_have_the_picture_s_proportions_on_the_grid(
    engine: Any, size: tuple[int, int], longest_px: int, expected: tuple[int, int]
) -> None:
    width, height = size
    found = shown(sit(engine, replace(REQUEST, longest_px=longest_px)), picture(height, width), None)
    assert found.shape == (expected[1], expected[0], 3)
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous


def test_transparent_parts_are_shown_over_white(engine: Any) -> None:
    sitting = sit(engine)
    clear = np.dstack([IMAGE, np.where(MASK, 255, 0).astype(np.uint8)])
    white = IMAGE.copy()
    white[MASK == 0] = 255
    assert np.array_equal(shown(sitting, clear, None), shown(sitting, white, None))


def test_the_seed_holds_the_noise_still(engine: Any) -> None:
    """Only what the artist changes, changes: far from the stroke the picture stays much as it was."""
    sitting = sit(engine, replace(REQUEST, strength=0.3))
    stroke = IMAGE.copy()
    stroke[4:10, 4:10] = 255
    before, after = shown(sitting).astype(int), shown(sitting, stroke, None).astype(int)
    other_seed = shown(sit(engine, replace(REQUEST, strength=0.3, seed=1))).astype(int)
    far = np.s_[40:, 40:]
    assert np.abs(after - before)[:16, :16].mean() > np.abs(after - before)[far].mean()
    assert np.abs(other_seed - before)[far].mean() > 2 * np.abs(after - before)[far].mean()


# ── what cannot be done ──────────────────────────────────────────────────────────────────────────────────


def test_what_does_not_fit_is_refused_with_a_sentence(engine: Any) -> None:
    with pytest.raises(errors.UnknownModel):
        sit(engine, replace(REQUEST, model="nowhere"))
    with pytest.raises(errors.UnknownModel, match="ControlNet"):
        sit(engine, replace(REQUEST, controls=(LiveControl("pose", "x"),)))
    for wrong in ({"strength": 1.5}, {"steps": -1}, {"guidance": float("nan")}):
        with pytest.raises(errors.BadValue):
            sit(engine, replace(REQUEST, **wrong))
    sitting = sit(engine, replace(REQUEST, mask="selection", controls=(DEPTH,)))
    with pytest.raises(errors.SizeMismatch, match="mask"):
        shown(sitting, IMAGE, MASK[:32], SHADES)
    with pytest.raises(errors.SizeMismatch, match="depth"):
        shown(sitting, IMAGE, MASK, SHADES[:32])
    with pytest.raises(errors.BadImage):
        shown(sit(engine), SHADES, None)


def test_memory_that_runs_out_ends_in_a_sentence_and_not_the_sitting(
    engine: Any, failing: Callable[..., Any]
) -> None:
    sitting = sit(engine)
    expected = shown(sitting)
    with (
        failing(engine, "unet", torch.OutOfMemoryError("out of memory")),
        pytest.raises(errors.OutOfMemory, match="live previews"),
    ):
        shown(sitting)
    assert np.array_equal(shown(sitting), expected)


def test_numbers_that_left_their_range_are_no_picture(engine: Any) -> None:
    sitting = sit(engine)
    expected = shown(sitting)
    handle = (
        model_of(engine, "tiny")
        .modules["unet"]
        .register_forward_hook(lambda module, given, output: (output[0] * float("inf"),))
    )
    with pytest.raises(errors.BadModel, match="not a number"):
        shown(sitting)
    handle.remove()
    assert np.array_equal(shown(sitting), expected)
