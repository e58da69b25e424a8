"""Too little memory: a picture by humbler means, or a sentence; and the next job works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import OutOfMemory
from impasto_protocol.messages import GenerateRequest
from impasto_server.engine.memory import is_out_of_memory

from tests.engine.conftest import as_input, by_role, disc, model_of, picture
from tests.engine.gates import Listener

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=4, seed=7)
IMAGE, MASK = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 34, 14))
STAGES = ("text_encoder", "vae.encoder", "unet", "vae.decoder")
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("error", [CUDA, CPU, MemoryError()], ids=["cuda", "cpu", "host"])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("failures", "tier"), [(1, "tiled"), (2, "sliced")])
def test_a_job_steps_down_and_finishes(
    engine: Any, failing: Callable[..., Any], stage: str, error: Exception, failures: int, tier: str
) -> None:
    undisturbed = engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, Listener())[0]
    gate = Listener()
    model = model_of(engine, "tiny")
    seen = set()

    def set_up(*_: object) -> None:
        processors = {type(processor).__name__ for processor in model.denoiser.attn_processors.values()}
        seen.add((model.modules["vae"].use_tiling, *processors))

    handle = model.modules["vae"].decoder.register_forward_hook(set_up)
    with failing(engine, stage, error, failures):
        layer = engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, gate)[0]
    handle.remove()
    assert seen == {(True, "SlicedAttnProcessor" if tier == "sliced" else "AttnProcessor2_0")}
    assert layer.info.recipe.software["memory"] == tier
    assert [stage for stage, _, _ in gate.reports].count("saving memory") == failures
    # 64 px is one tile, and sliced attention only rounds elsewhere.
    assert np.abs(layer.pixels.astype(int) - undisturbed.pixels.astype(int)).max() <= 1
    again = engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, Listener())[0]
    assert np.array_equal(again.pixels, undisturbed.pixels)
    assert "memory" not in again.info.recipe.software


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_that_cannot_step_down_further_says_so_and_the_next_one_works(
    engine: Any, failing: Callable[..., Any], stage: str
) -> None:
    undisturbed = engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, Listener())[0]
    with failing(engine, stage, CUDA), pytest.raises(OutOfMemory, match="too little memory"):
        engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, Listener())
    assert np.array_equal(
        engine.generate(REQUEST, {"image": IMAGE, "mask": MASK}, Listener())[0].pixels, undisturbed.pixels
    )


def test_a_failure_in_mid_sampling_starts_the_pass_again(engine: Any, failing: Callable[..., Any]) -> None:
    undisturbed = engine.generate(REQUEST, {}, Listener())[0]

    class FailsAtStepTwo(Listener):
        def report(self, stage: str, step: int = 0, *rest: Any) -> None:
            super().report(stage, step, *rest)
            if (stage, step) == ("sampling", 2) and "saving memory" not in self.stages:
                raise CUDA

    gate = FailsAtStepTwo()
    layer = engine.generate(REQUEST, {}, gate)[0]
    assert [step for stage, step, _ in gate.reports if stage == "sampling"] == [0, 1, 2, 0, 1, 2, 3, 4]
    assert np.array_equal(layer.pixels, undisturbed.pixels)


@pytest.mark.parametrize("masked", [False, True], ids=["text", "mask"])
def test_a_second_pass_that_does_not_fit_is_left_out(engine: Any, masked: bool) -> None:
    """The first pass' picture is worth more than an error."""
    request = replace(REQUEST, width=160, height=160)
    given = by_role(as_input(picture(160, 160)), as_input(disc(160, 160, 80, 80, 70))) if masked else {}
    full = engine.generate(request, given, Listener())[0]
    model = model_of(engine, "tiny")

    def too_large(_module: Any, arguments: tuple[Any, ...]) -> None:
        if arguments[0].shape[-1] > 10:
            raise CUDA

    handle = model.modules["unet"].register_forward_pre_hook(too_large)
    try:
        layer = engine.generate(request, given, Listener())[0]
    finally:
        handle.remove()
    assert (layer.info.width, layer.info.height) == (full.info.width, full.info.height)
    assert not np.array_equal(layer.pixels, full.pixels)


def test_other_errors_are_no_lack_of_memory(engine: Any, failing: Callable[..., Any]) -> None:
    engine.generate(REQUEST, {}, Listener())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    with (
        failing(engine, "unet", RuntimeError("shapes do not match"), 1),
        pytest.raises(RuntimeError, match="shapes"),
    ):
        engine.generate(REQUEST, {}, Listener())


def test_a_model_too_large_to_load_is_said_and_others_still_work(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto_server.families.sd15 import SD15

    expected = engine.generate(REQUEST, {}, Listener())[0].pixels
    engine._shelf.models.clear()

    def load(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(SD15, "load", load)
        with pytest.raises(OutOfMemory, match="model"):
            engine.generate(REQUEST, {}, Listener())
    assert np.array_equal(engine.generate(REQUEST, {}, Listener())[0].pixels, expected)


def test_models_used_longest_ago_make_room_but_never_those_at_work(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impasto_server.engine import shelf

    engine._shelf.models.clear()
    monkeypatch.setattr(shelf, "_memory_bytes", lambda _device: 1)

    def held() -> list[str]:
        return [model.source.info.model for model in engine._shelf.models.values()]

    class Watches(Listener):
        def check(self) -> None:
            super().check()
            if self.checks == 3:
                engine.generate(replace(REQUEST, model="little"), {}, Listener())
                assert held() == ["tiny", "little"]

    engine.generate(REQUEST, {}, Watches())
    engine.generate(replace(REQUEST, model="ancestral"), {}, Listener())
    assert held() == ["ancestral"]
