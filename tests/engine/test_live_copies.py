"""On the CPU live frames are painted by faster copies of the model's modules: jobs do not notice, LoRAs and
ControlNets work there too, and what is dropped goes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.messages import Lora
from impasto_server.engine import live_parts
from impasto_server.engine.interface import Raster
from impasto_server.engine.packed import can_pack

from tests.engine.conftest import as_input, by_role, model_of, without_copies
from tests.engine.gates import Listener, Yielding
from tests.engine.test_live import FRAMES, JOBS, REQUEST, SHADES, shown, sit
from tests.fixtures import tiny

pytestmark = pytest.mark.skipif(not can_pack(), reason="this build of torch has no oneDNN")


@pytest.fixture(autouse=True)
def in_float32(engine: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(live_parts, "native_dtype", lambda: torch.float32)
    engine._live.ateliers.clear()
    yield
    engine._live.ateliers.clear()


def alike(one: Raster, other: Raster) -> bool:
    return bool(np.abs(one.astype(int) - other).max() <= 1)


@pytest.mark.parametrize("frame", FRAMES)
def test_they_paint_what_the_shared_modules_paint(engine: Any, frame: str) -> None:
    asked, given = FRAMES[frame]
    found = shown(sit(engine, asked), *given)
    with without_copies(engine):
        assert alike(found, shown(sit(engine, asked), *given))


def test_a_lora_s_weight_is_followed(engine: Any) -> None:
    plain, loops = shown(sit(engine)), set(engine._live.ateliers[model_of(engine, "tiny")].loops)
    for strength in (1.0, 0.5, 0.0):
        asked = replace(REQUEST, loras=(Lora("ink", strength),))
        found = shown(sit(engine, asked))
        assert np.array_equal(found, plain) == (strength == 0.0)
        with without_copies(engine):
            expected = shown(sit(engine, asked))
        assert alike(found, expected)
    shown(sit(engine))
    assert set(engine._live.ateliers[model_of(engine, "tiny")].loops) == loops


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("job", JOBS)
def test_a_waiting_job_is_not_disturbed(engine: Any, job: str, frame: str) -> None:
    request, inputs = JOBS[job]
    controls = [as_input(SHADES)] if request.controls else []

    def painted(gate: Listener) -> bytes:
        return engine.generate(request, by_role(*inputs, controls=controls), gate)[0].pixels.tobytes()

    alone, (asked, given) = painted(Listener()), FRAMES[frame]
    assert painted(Yielding(other=lambda: shown(sit(engine, asked), *given))) == alone


def test_a_job_has_the_threads_it_had(engine: Any) -> None:
    sitting = sit(engine)
    seen: list[int] = []

    def keep_on(done: int, steps: int) -> bool:
        seen.append(torch.get_num_threads())
        return True

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        sitting.paint(FRAMES["plain"][1][0], None, (), keep_on)
        assert set(seen) == {1}  # two are slower with a model as small as this
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_model_that_is_dropped_is_held_by_no_sitting(engine: Any) -> None:
    sitting = sit(engine)
    expected = shown(sitting)
    gone = weakref.ref(model_of(engine, "tiny").denoiser)
    engine._shelf._drop(model_of(engine, "tiny").digest)
    gc.collect()
    assert gone() is None
    assert np.array_equal(shown(sitting), expected)


def test_where_memory_is_short_there_are_no_copies(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_parts, "_SHARE", 1e-9)
    frame = shown(sit(engine))
    assert engine._live.ateliers[model_of(engine, "tiny")].parts.copies is None
    with without_copies(engine):
        assert np.array_equal(shown(sit(engine)), frame)


def test_a_small_autoencoder_beside_the_model_is_used_and_another_family_s_is_not(tmp_path: Path) -> None:
    import diffusers
    from impasto_server.engine.diffusion import DiffusionEngine

    tiny.build(tmp_path / "models" / "tiny")
    made = tiny.make_vae("tiny")

    def autoencoder() -> str:
        engine = DiffusionEngine(device="cpu", home=tmp_path)
        shown(sit(engine))
        (atelier,) = engine._live.ateliers.values()
        (lent,) = atelier.loops.values()
        return type(lent.loop.parts.vae).__name__

    made.save_pretrained(tmp_path / "models" / "taesdxl")
    diffusers.AutoencoderKL.from_pretrained(tmp_path / "models" / "tiny" / "vae").save_pretrained(
        tmp_path / "models" / "a taesd" / "no tiny one"
    )
    assert autoencoder() == "AutoencoderKL"
    made.save_pretrained(tmp_path / "models" / "models--madebyollin--taesd" / "snapshots" / "614f768")
    assert autoencoder() == "AutoencoderTiny"
    weights = tmp_path / "models" / "models--madebyollin--taesd" / "snapshots" / "614f768"
    (weights / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    assert autoencoder() == "AutoencoderKL"
