"""Upscaling: sizes, what stays of the document, and that no tile shows."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from impasto_protocol.errors import BadValue, SizeMismatch
from impasto_protocol.messages import Control, GenerateRequest
from impasto_protocol.rasters import PixelFormat
from impasto_server.compositing.metrics import percentile_95, seam_steps
from impasto_server.compositing.raster import quantise, to_float
from impasto_server.compositing.resample import resize
from impasto_server.compositing.tiles import blend
from impasto_server.engine import upscale as module
from impasto_server.engine.interface import Cancelled

from tests.compositing.scenes import FloatArray, sky
from tests.engine.conftest import as_input, disc, picture
from tests.engine.gates import Canceller, Listener

REQUEST = GenerateRequest(prompt="", model="tiny", steps=4, seed=7, strength=0.5)
DOCUMENTS = [(3, "uint8"), (4, "uint8"), (4, "uint16"), (1, "uint8"), (1, "uint16")]


def larger(width: int, height: int, **changes: Any) -> GenerateRequest:
    return replace(REQUEST, width=width, height=height, **changes)


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize(("channels", "dtype"), DOCUMENTS)
def test_the_layer_has_the_size_asked_for_and_the_documents_depth(
    engine: Any, channels: int, dtype: str, strength: float
) -> None:
    image = as_input(picture(40, 60, channels, dtype))
    layer = engine.generate(larger(150, 100, strength=strength), {"image": image}, Listener())[0]
    expected = {1: PixelFormat.RGB8, 3: PixelFormat.RGB8, 4: PixelFormat.RGBA8}[channels]
    assert layer.info.format is (PixelFormat.RGBA16 if dtype == "uint16" else expected)
    assert layer.pixels.shape[:2] == (100, 150)
    assert (layer.info.x, layer.info.y) == (0, 0)


def test_strength_0_only_resamples(engine: Any) -> None:
    pixels = picture(40, 300)
    gate = Listener()
    layer = engine.generate(larger(450, 60, strength=0.0), {"image": as_input(pixels)}, gate)[0]
    assert np.array_equal(layer.pixels, quantise(resize(to_float(pixels), (450, 60)), np.uint8))
    assert "sampling" not in gate.stages


def test_strength_above_0_adds_what_resampling_cannot(engine: Any) -> None:
    image = as_input(picture(40, 60))
    layers = [
        engine.generate(larger(120, 80, strength=strength), {"image": image}, Listener())[0].pixels
        for strength in (0.0, 0.5)
    ]
    assert not np.array_equal(*layers)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_alpha_is_resampled_and_hidden_colours_stay_hidden(engine: Any, dtype: str, strength: float) -> None:
    peak = np.iinfo(dtype).max
    pixels = np.zeros((64, 64, 4), dtype)
    pixels[:, :, 1] = peak  # green where nothing is seen
    pixels[16:48, 16:48] = (peak, 0, 0, peak)
    layer = engine.generate(larger(128, 128, strength=strength), {"image": as_input(pixels)}, Listener())[0]
    alpha = layer.pixels[:, :, 3] / peak
    expected = np.clip(resize(to_float(pixels[:, :, 3:]), (128, 128)), 0.0, 1.0)[:, :, 0]
    assert np.abs(alpha - expected).max() <= 0.51 / 255
    if strength == 0.0:
        seen = layer.pixels[alpha > 0.02] / peak
        assert seen[:, 1].max() <= 0.02
        assert seen[:, 0].min() >= 0.98
        assert {0.0, 1.0} < set(alpha.flat), "there is an edge with all in between"


def test_an_opaque_alpha_changes_nothing(engine: Any) -> None:
    colour = picture(40, 40)
    opaque = np.dstack([colour, np.full((40, 40), 255, np.uint8)])
    made = [
        engine.generate(larger(90, 90), {"image": as_input(pixels)}, Listener())[0].pixels
        for pixels in (colour, opaque)
    ]
    assert np.array_equal(made[0], made[1][:, :, :3])
    assert made[1][:, :, 3].min() == 255


def test_a_recipe_paints_the_same_bytes(engine: Any) -> None:
    image = as_input(picture(60, 70))
    layer = engine.generate(larger(140, 120, steps=0, guidance=-1.0), {"image": image}, Listener())[0]
    request = layer.info.recipe.request
    assert (request.width, request.height, request.image) == (140, 120, image.ref)
    assert np.array_equal(engine.generate(request, {"image": image}, Listener())[0].pixels, layer.pixels)


def test_takes_are_the_seeds_that_follow(engine: Any) -> None:
    image = as_input(picture(50, 50))
    two = engine.generate(larger(100, 100, takes=2), {"image": image}, Listener())
    single = engine.generate(larger(100, 100, seed=8), {"image": image}, Listener())[0]
    assert np.array_equal(two[1].pixels, single.pixels)
    assert not np.array_equal(two[0].pixels, two[1].pixels)


def test_progress_counts_the_steps_of_all_tiles_and_shows_no_single_one(engine: Any) -> None:
    gate = Listener(previews=True)
    engine.generate(larger(150, 150, takes=2), {"image": as_input(picture(75, 75))}, gate)
    steps = [step for stage, step, _ in gate.reports if stage == "sampling"]
    assert steps == sorted(steps)
    # 152 px in tiles of 64 px that overlap by 16 at least: 3 × 3; strength 0.5 of 4 steps runs 4 of 8.
    assert gate.reports[-1] == ("compositing", 2 * 9 * 4, 2 * 9 * 4)
    assert gate.shown == []


def test_it_can_be_cancelled_between_tiles(engine: Any) -> None:
    image = as_input(picture(75, 75))
    whole = Listener()
    engine.generate(larger(150, 150), {"image": image}, whole)
    gate = Canceller(at=whole.checks // 2)
    with pytest.raises(Cancelled):
        engine.generate(larger(150, 150), {"image": image}, gate)
    assert gate.checks == whole.checks // 2


@pytest.mark.parametrize(
    ("width", "height", "says"),
    [
        (40, 40, "1 to 8 times"),
        (520, 520, "1 to 8 times"),
        (128, 64, "both sides alike"),
        (128, 131, "both sides alike"),
        (128, 0, "both sides alike"),
    ],
)
def test_a_size_that_is_no_scale_is_refused(engine: Any, width: int, height: int, says: str) -> None:
    with pytest.raises(SizeMismatch, match=says):
        engine.generate(larger(width, height), {"image": as_input(picture(64, 64))}, Listener())


@pytest.mark.parametrize("size", [(129, 128), (100, 99), (200, 201)])
def test_a_pixel_more_or_less_is_no_other_shape(engine: Any, size: tuple[int, int]) -> None:
    request = larger(*size, strength=0.0)
    layer = engine.generate(request, {"image": as_input(picture(64, 64))}, Listener())[0]
    assert layer.pixels.shape[1::-1] == size


def test_masks_and_controls_do_not_go_with_it(engine: Any) -> None:
    image = as_input(picture(64, 64))
    with pytest.raises(SizeMismatch, match="picture and mask"):
        engine.generate(
            larger(128, 128), {"image": image, "mask": as_input(disc(64, 64, 30, 30, 9))}, Listener()
        )
    request = larger(128, 128, controls=(Control("scribble"),))
    with pytest.raises(BadValue, match="steer upscaling"):
        engine.generate(request, {"image": image, "control 1": as_input(picture(128, 128, 1))}, Listener())


# ── a model made of numbers ──────────────────────────────────────────────────────────────────────────────


@dataclass
class Painter:
    """A stand-in for `Painting` whose model keeps the picture, but shifts each tile's tone by up to ±0.04 and
    draws detail that its noise asks for."""

    native: int
    gate: Any = field(default_factory=Listener)
    steps_done: int = 0
    steps_planned: int = 0
    tiles: list[FloatArray] = field(default_factory=list)

    def __post_init__(self) -> None:
        family = SimpleNamespace(grid=8, latent_factor=8, denoiser="unet")
        source = SimpleNamespace(info=SimpleNamespace(native_px=self.native), family=family)
        unet = SimpleNamespace(config=SimpleNamespace(in_channels=4))
        self.model = SimpleNamespace(source=source, modules={"unet": unet})
        self._random = np.random.default_rng(self.native)

    def encode(self, tile: FloatArray) -> FloatArray:
        assert max(tile.shape[:2]) <= self.native
        return tile

    def from_picture(self, tile: FloatArray, strength: float, seed: int, noise: torch.Tensor) -> FloatArray:
        detail = noise[0, :3].permute(1, 2, 0).numpy().repeat(8, 0).repeat(8, 1)
        return tile + 0.03 * detail + self._random.uniform(-0.04, 0.04, 3).astype(np.float32)

    def decode(self, tile: FloatArray) -> FloatArray:
        return np.clip(tile, 0.0, 1.0)


def repainted(painter: Any, truth: FloatArray) -> FloatArray:
    height, width = truth.shape[:2]
    source = module._Source(truth, (width, height))
    strips = module._repainted(painter, source, module._plan(painter, (width, height)), REQUEST)
    made = np.zeros_like(truth)
    at = 0
    for start, rows in strips:
        assert start == at, "strips follow each other"
        made[start : start + len(rows)] = rows
        at += len(rows)
    assert at == height
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_tile_line_shows(seed: int) -> None:
    """Bar B8, tiled against untiled: at most 0.5 on every line where a tile begins or ends."""
    truth = sky(700, 500, seed)
    untiled = repainted(Painter(1024), truth)
    painter = Painter(256)
    made = repainted(painter, truth)
    plan = module._plan(painter, (700, 500))  # type: ignore[arg-type]
    assert np.abs(made - truth).max() > 0.03, "it did paint"
    for axis, starts in enumerate((plan.starts_x, plan.starts_y)):
        turned = [np.ascontiguousarray(image.swapaxes(0, axis)) for image in (made, untiled)]
        length = turned[0].shape[1]
        for line in {edge for start in starts for edge in (start, start + 256)}:
            if 8 <= line <= length - 8:
                signed = np.broadcast_to(
                    np.arange(length, dtype=np.float32) - (line - 0.5), turned[0].shape[:2]
                )
                steps = seam_steps(turned[0], np.ascontiguousarray(signed), turned[1])
                assert percentile_95(steps) <= 0.5


def test_rows_at_a_time_are_the_blend_of_all_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = []

    def kept(*arguments: Any) -> FloatArray:
        tiles.append(tile(*arguments))
        return tiles[-1]

    tile = module._tile
    monkeypatch.setattr(module, "_tile", kept)
    painter = Painter(64)
    made = repainted(painter, sky(213, 187, 1))
    whole = blend(module._plan(painter, (213, 187)), tiles)  # type: ignore[arg-type]
    assert np.allclose(made, whole[:187, :213], atol=1e-6)


def test_where_tiles_overlap_they_start_from_the_same_noise() -> None:
    painter: Any = Painter(64)
    plan = module._plan(painter, (160, 64))
    noise = module._noise(painter, plan, 7)
    first, second = (noise.of(x, 0) for x in plan.starts_x[:2])
    shared = (64 - plan.starts_x[1]) // 8
    assert shared >= 2
    assert torch.equal(first[..., -shared:], second[..., :shared])
    assert not torch.equal(first, second)


def test_memory_does_not_grow_with_the_height() -> None:
    """Beside source and result, a row of tiles: here 4096 × 64 px, 16 bytes each, and a few like it."""
    source = module._Source(np.zeros((1024, 1024, 3), np.float32), (4096, 4096))
    painter: Any = Painter(64)
    strips = module._repainted(painter, source, module._plan(painter, (4096, 4096)), REQUEST)
    tracemalloc.start()
    try:
        for start, _ in strips:
            if start > 400:
                break
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 4096 * 64 * 16


def test_light_and_colour_stay_though_each_tile_is_painted_in_another() -> None:
    truth = sky(400, 300, 4)
    change = repainted(Painter(256), truth) - truth
    means = change[:256, :384].reshape(2, 128, 3, 128, 3).mean((1, 3))
    assert np.abs(means).max() < 0.01, "of 0.04 that the model shifts a tile by"
