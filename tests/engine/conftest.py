"""One home with tiny models for all engine tests; engines are cheap, models are not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from impasto_protocol.messages import InputRef
from impasto_protocol.rasters import PixelFormat
from impasto_server.engine.interface import Input, Raster

from tests.fixtures import tiny

_FORMATS = {
    ("uint8", 1): PixelFormat.GRAY8,
    ("uint8", 3): PixelFormat.RGB8,
    ("uint8", 4): PixelFormat.RGBA8,
    ("uint16", 1): PixelFormat.GRAY16,
    ("uint16", 4): PixelFormat.RGBA16,
    ("float32", 1): PixelFormat.DEPTH32F,
}


@pytest.fixture(scope="session")
def tiny_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models: `tiny` (KL autoencoder, DDIM), `ancestral` (the same weights, Euler ancestral), `little` (tiny
    autoencoder, pooled text as in Pocket, DPM++ 2M). ControlNets scribble and depth for the first two, normal
    for `little`; LoRAs `ink` and, with text encoder, `wash`."""
    import torch

    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("home")
    tiny.build(home / "models" / "tiny")
    shutil.copytree(home / "models" / "tiny", home / "models" / "ancestral")
    tiny.use_scheduler(home / "models" / "ancestral", "EulerAncestralDiscreteScheduler")
    tiny.build(
        home / "models" / "little", vae="tiny", pocket_like=True, scheduler="DPMSolverMultistepScheduler"
    )
    nets, loras = home / "controlnets", home / "loras"
    tiny.build_control(nets / "scribble", home / "models" / "tiny", seed=1)
    tiny.build_control(nets / "control_sd15_depth", home / "models" / "tiny", seed=2)
    tiny.build_control(nets / "normalbae", home / "models" / "little", seed=3)
    tiny.build_lora(loras / "ink.safetensors", home / "models" / "tiny", seed=4)
    tiny.build_lora(loras / "by others" / "wash.safetensors", home / "models" / "tiny", seed=5, text=True)
    return home


@pytest.fixture(scope="session")
def engine(tiny_home: Path) -> Any:
    from impasto_server.engine.diffusion import DiffusionEngine

    return DiffusionEngine(device="cpu", home=tiny_home)


def as_input(pixels: Raster, digest: str = "0" * 64) -> Input:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    height, width = pixels.shape[:2]
    return Input(InputRef(digest, width, height, _FORMATS[(pixels.dtype.name, channels)]), pixels)


def by_role(
    image: Input | None = None, mask: Input | None = None, controls: Sequence[Input] = ()
) -> dict[str, Input]:
    """What an engine is handed, by role as in `GenerateRequest.pictures`."""
    given = {"image": image, "mask": mask}
    given |= {f"control {number}": control for number, control in enumerate(controls, 1)}
    return {role: one for role, one in given.items() if one is not None}


def picture(height: int, width: int, channels: int = 3, dtype: str = "uint8", seed: int = 0) -> Raster:
    """Soft colours with some noise; alpha, where there is one, varies."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = [0.5 + 0.4 * np.sin(x / (9 + 4 * c) + c) * np.cos(y / (11 + 3 * c)) for c in range(channels)]
    values = np.clip(np.stack(waves, -1) + rng.normal(0, 0.01, (height, width, channels)), 0, 1)
    peak = 255 if dtype == "uint8" else 65535
    pixels = (values * peak + 0.5).astype(dtype)
    return pixels[:, :, 0] if channels == 1 else pixels


def disc(height: int, width: int, x: int, y: int, radius: int) -> Raster:
    """A round mask: 255 inside."""
    row, column = np.mgrid[0:height, 0:width]
    return np.where((column - x) ** 2 + (row - y) ** 2 <= radius**2, 255, 0).astype(np.uint8)


def model_of(engine: Any, name: str) -> Any:
    """A model that the engine has loaded."""
    return next(model for model in engine._shelf.models.values() if model.source.info.model == name)


@contextmanager
def without_copies(engine: Any) -> Iterator[None]:
    """Within, live frames are painted with the modules that jobs use."""
    from impasto_server.engine import live_parts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_parts, "can_pack", lambda: False)
        engine._live.ateliers.clear()
        yield
    engine._live.ateliers.clear()


@pytest.fixture
def failing() -> Any:
    """`with failing(engine, part, error, times): …`: calls of a part of the tiny model raise it.

    Parts: unet, text_encoder, vae.encoder, vae.decoder.
    """

    @contextmanager
    def fail(engine: Any, part: str, error: Exception, times: int = 10**9) -> Iterator[None]:
        model = model_of(engine, "tiny")
        model.prompts = type(model.prompts)()  # a prompt that is remembered needs no text encoder
        name, _, inside = part.partition(".")
        module = getattr(model.modules[name], inside) if inside else model.modules[name]
        left = [times]

        def before(*_: object) -> None:
            if left[0] > 0:
                left[0] -= 1
                raise error

        handle = module.register_forward_pre_hook(before)
        try:
            yield
        finally:
            handle.remove()

    return fail
