"""A pre-empted job ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from impasto_protocol.messages import Control, GenerateRequest, Lora
from impasto_server.engine.interface import Cancelled, Input

from tests.engine.conftest import as_input, by_role, disc, model_of, picture
from tests.engine.gates import Canceller, Listener, Yielding

REQUEST = GenerateRequest(prompt="a red circle", model="tiny", steps=5, seed=7)
IMAGE, MASK = as_input(picture(64, 64)), as_input(disc(64, 64, 30, 34, 14))
SHADES = as_input(picture(64, 64, channels=1))
SCRIBBLE, DEPTH = Control("scribble"), Control("depth", strength=0.7, end=0.8)
INK, WASH = Lora("ink"), Lora("wash", -0.5)

Job = tuple[GenerateRequest, dict[str, Input]]
KINDS: dict[str, Job] = {
    "text": (REQUEST, {}),
    "text, two takes, two passes": (replace(REQUEST, takes=2, width=96, height=96, steps=3), {}),
    "image": (replace(REQUEST, strength=0.6), by_role(IMAGE)),
    "upscaling": (replace(REQUEST, strength=0.6, steps=2, width=96, height=96), by_role(IMAGE)),
    "upscaling, ancestral": (
        replace(REQUEST, model="ancestral", strength=0.6, steps=2, width=96, height=96), by_role(IMAGE)
    ),
    "mask": (replace(REQUEST, strength=0.9), by_role(IMAGE, MASK)),
    "mask, ancestral": (replace(REQUEST, model="ancestral"), by_role(IMAGE, MASK)),
    "little": (replace(REQUEST, model="little"), {}),
    "two controls": (replace(REQUEST, controls=(SCRIBBLE, DEPTH)), by_role(None, None, [SHADES, SHADES])),
    "two LoRAs": (replace(REQUEST, loras=(INK, WASH)), {}),
    "mask, control, LoRA": (
        replace(REQUEST, strength=0.9, controls=(DEPTH,), loras=(WASH,)), by_role(IMAGE, MASK, [SHADES])
    ),
}  # fmt: skip
INTRUDERS: dict[str, Job] = {
    "the same model, other steps": (replace(REQUEST, seed=1, steps=2, width=40, height=72), {}),
    "the same model, inpainting": (replace(REQUEST, seed=2, steps=2, guidance=1.0), by_role(IMAGE, MASK)),
    "another sampler": (replace(REQUEST, model="ancestral", steps=2), {}),
    "another model": (replace(REQUEST, model="little", steps=2), {}),
    "the same model with adapters": (
        replace(REQUEST, seed=5, steps=2, controls=(SCRIBBLE,), loras=(replace(INK, strength=0.3),)),
        by_role(None, None, [SHADES]),
    ),
}  # fmt: skip


def paint(engine: Any, job: Job, gate: Any) -> list[bytes]:
    return [layer.pixels.tobytes() for layer in engine.generate(*job, gate)]


@pytest.mark.parametrize("intruder", INTRUDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_job_interrupted_at_every_step_ends_bit_identical(engine: Any, kind: str, intruder: str) -> None:
    alone = paint(engine, KINDS[kind], Listener())
    other_alone = paint(engine, INTRUDERS[intruder], Listener())
    during: list[list[bytes]] = []
    gate = Yielding(other=lambda: during.append(paint(engine, INTRUDERS[intruder], Listener())))
    assert paint(engine, KINDS[kind], gate) == alone
    assert len(during) > KINDS[kind][0].takes * 3
    assert all(result == other_alone for result in during)


def test_jobs_may_nest_deeper(engine: Any) -> None:
    alone = paint(engine, KINDS["mask"], Listener())
    innermost = Yielding(other=lambda: paint(engine, INTRUDERS["another model"], Listener()))
    middle = Yielding(other=lambda: paint(engine, INTRUDERS["the same model, other steps"], innermost))
    assert paint(engine, KINDS["mask"], middle) == alone


def test_loading_a_model_meanwhile_is_no_business_of_the_job_that_waits(engine: Any) -> None:
    """Its gate must not be met from inside: a cancellation of it would strike the other job."""

    def intrude() -> None:
        before = gate.checks
        engine._shelf.models.pop(model_of(engine, "little").digest)
        paint(engine, INTRUDERS["another model"], Listener())
        assert gate.checks == before

    paint(engine, INTRUDERS["another model"], Listener())
    gate = Yielding(other=intrude)
    paint(engine, KINDS["text"], gate)


def test_adapters_loaded_meanwhile_are_no_business_of_the_job_that_waits(engine: Any) -> None:
    """Nor are those that are dropped: each load and each removal rebuilds parts of the shared modules."""
    kinds = ("mask, control, LoRA", "two LoRAs", "text")
    alone = {kind: paint(engine, KINDS[kind], Listener()) for kind in kinds}

    def intrude() -> None:
        held = model_of(engine, "tiny")
        held.adapters.shed(held.modules, engine._shelf._needed(held, ()), all_idle=True)
        paint(engine, INTRUDERS["the same model with adapters"], Listener())

    for kind in kinds:
        assert paint(engine, KINDS[kind], Yielding(other=intrude)) == alone[kind]


def test_a_cancelled_intruder_leaves_no_trace(engine: Any) -> None:
    alone = paint(engine, KINDS["mask"], Listener())

    def intrude() -> None:
        with pytest.raises(Cancelled):
            paint(engine, INTRUDERS["the same model, inpainting"], Canceller(at=3))

    assert paint(engine, KINDS["mask"], Yielding(other=intrude)) == alone


def test_an_intruder_short_of_memory_leaves_no_trace(engine: Any, failing: Callable[..., Any]) -> None:
    """It slices attention and tiles the autoencoder it shares with the job that waits."""
    alone = paint(engine, KINDS["mask"], Listener())
    lowered = []
    found = []
    vae, unet = (model_of(engine, "tiny").modules[name] for name in ("vae", "unet"))

    def set_up_of_the_outer_job(*_: object) -> None:
        if [job.steps for job in engine._stack.jobs] == [REQUEST.steps]:
            processors = {type(processor).__name__ for processor in unet.attn_processors.values()}
            found.append((vae.use_tiling, processors))

    def intrude() -> None:
        with failing(engine, "unet", torch.OutOfMemoryError("out of memory"), times=2):
            request = INTRUDERS["the same model, other steps"][0]
            layer = engine.generate(request, {}, Listener())[0]
        lowered.append(layer.info.recipe.software.get("memory"))

    handles = [part.register_forward_pre_hook(set_up_of_the_outer_job) for part in (unet, vae.decoder)]
    try:
        assert paint(engine, KINDS["mask"], Yielding(other=intrude)) == alone
    finally:
        for handle in handles:
            handle.remove()
    assert set(lowered) == {"sliced"}
    assert found == [(False, {"AttnProcessor2_0"})] * 6
