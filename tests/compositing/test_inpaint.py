"""The contract with the engine, and bars B1 (outside) and B2 (identity)."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_server.compositing import (
    BadGeneration,
    CompositingError,
    EmptyMask,
    InpaintPlan,
    MaskSizeMismatch,
    UnknownFill,
    UnsupportedRaster,
    composite,
    finish,
    finish_inpaint,
    hires_pass,
    plan_inpaint,
)
from impasto_server.compositing.context import crop
from impasto_server.compositing.geometry import mask_bounds
from impasto_server.compositing.masks import composite_alpha, ramp_px
from impasto_server.compositing.raster import as_hwc

from tests.compositing.scenes import Selection, as_document, ellipse, feathered, selections, sky, texture

FORMATS = st.sampled_from([(dtype, n) for dtype in ("uint8", "uint16", "float32") for n in (1, 3, 4)])


def planned(selection: Selection, dtype: str, channels: int, **options: Any) -> InpaintPlan:
    height, width = selection.mask.shape
    document = as_document(texture(width, height, 7), dtype, channels)
    options.setdefault("native", 128)
    return plan_inpaint(document, selection.mask, **options)


def noise_for(plan: InpaintPlan, seed: int = 0, *, hires: bool = False) -> np.ndarray:
    size = plan.hires_size if hires and plan.hires_size else plan.base.size
    return np.random.default_rng(seed).random((size[1], size[0], 3), dtype=np.float32)


@given(selections(low=1, high=330), FORMATS, st.booleans(), st.sampled_from([0.3, 1.0]))
@settings(deadline=None, max_examples=60)
def test_no_bit_changes_where_the_artists_mask_is_zero(
    selection: Selection, kind: tuple[str, int], hires: bool, strength: float
) -> None:
    plan = planned(selection, *kind, strength=strength, fill="neutral")
    result = finish_inpaint(plan, noise_for(plan, hires=hires), seed=3)
    document = np.asarray(plan.document)
    after = composite(document, result.layer, result.box.x, result.box.y)
    outside = selection.mask == 0
    assert after[outside].tobytes() == document[outside].tobytes()
    assert after.dtype == document.dtype
    assert after.shape == document.shape
    assert result.metrics.pixels_changed_outside == 0
    alpha = np.zeros(outside.shape, dtype=result.layer.dtype)
    alpha[result.box.slices] = result.layer[:, :, 3]
    assert not alpha[outside].any()


def test_not_even_nan_and_negative_zero_change_outside() -> None:
    document = texture(90, 70, 1)
    document[:10], document[10:20, :, 0], document[20:25] = np.nan, np.inf, -0.0
    mask = np.zeros((70, 90), dtype=np.uint8)
    mask[30:60, 20:70] = 255
    plan = plan_inpaint(document, mask, native=64)
    result = finish_inpaint(plan, noise_for(plan), seed=1)
    after = composite(document, result.layer, result.box.x, result.box.y)
    assert after[mask == 0].tobytes() == document[mask == 0].tobytes()
    assert np.isfinite(result.layer).all()


@given(selections(low=1, high=330), FORMATS)
@settings(deadline=None, max_examples=40)
def test_strength_zero_changes_nothing(selection: Selection, kind: tuple[str, int]) -> None:
    plan = planned(selection, *kind, strength=0.0)
    result = finish_inpaint(plan, noise_for(plan), seed=3)
    assert not result.metrics.changed
    assert not result.layer.any()


@given(selections(low=1, high=330), FORMATS, st.booleans())
@settings(deadline=None, max_examples=40)
def test_a_model_that_returns_its_input_changes_nothing(
    selection: Selection, kind: tuple[str, int], hires: bool
) -> None:
    plan = planned(selection, *kind, fill="none")
    returned = plan.base.filled
    if hires and plan.crop.hires_content and plan.crop.hires_working:
        pixels = as_hwc(np.asarray(plan.document))
        returned = crop(pixels, plan.crop.context, plan.crop.hires_content, plan.crop.hires_working, 1.0)
    in_bytes = (np.rint(returned * 255) / 255).astype(np.float32)
    for generated in (returned, in_bytes):
        result = finish_inpaint(plan, generated, seed=3)
        after = composite(np.asarray(plan.document), result.layer, result.box.x, result.box.y)
        assert after.tobytes() == np.asarray(plan.document).tobytes()


@given(selections(low=1, high=330), FORMATS)
@settings(deadline=None, max_examples=40)
def test_the_layer_is_exactly_the_changed_box(selection: Selection, kind: tuple[str, int]) -> None:
    plan = planned(selection, *kind)
    result = finish_inpaint(plan, noise_for(plan), seed=3)
    assert result.layer.shape == (result.box.height, result.box.width, 4)
    assert result.layer.dtype == np.dtype(kind[0])
    if result.metrics.changed:
        alpha = result.layer[:, :, 3] > 0
        assert alpha[0].any()
        assert alpha[-1].any()
        assert alpha[:, 0].any()
        assert alpha[:, -1].any()
        assert (result.layer[~alpha] == 0).all()


@given(selections(low=1, high=330), st.sampled_from([8, 16]), st.sampled_from(["border", "blur", "none"]))
@settings(deadline=None, max_examples=40)
def test_the_models_inputs_fit_together(selection: Selection, grid: int, fill: str) -> None:
    plan = planned(selection, "uint8", 3, grid=grid, fill=fill)
    passes = [plan.base]
    if plan.hires_size:
        passes.append(hires_pass(plan, plan.base.image))
        assert passes[1].size == plan.hires_size
    for work in passes:
        width, height = work.size
        assert width % grid == height % grid == 0
        assert work.filled.shape == work.image.shape == (height, width, 3)
        assert work.denoise_mask.shape == (height, width)
        assert work.soft_release.shape == (height // 8, width // 8)
        for array in (work.image, work.filled, work.denoise_mask, work.release(20)):
            assert array.dtype == np.float32
            assert array.min() >= 0.0
            assert array.max() <= 1.0
        changed = (work.filled != work.image).any(axis=2)
        assert (work.denoise_mask[changed] > 0).all()
        assert work.release(4).max() == 1.0
        assert set(np.unique(work.release(4))) <= {0.0, 1.0}


def test_the_second_pass_starts_from_the_first_without_its_cast() -> None:
    picture = sky(600, 600, 2)
    mask = np.zeros((600, 600), dtype=np.uint8)
    mask[150:450, 150:450] = 255
    plan = plan_inpaint(as_document(picture, "uint8", 3), mask, native=256, fill="none")
    assert plan.hires_size
    work = hires_pass(plan, np.clip(plan.base.image * 1.03 + 0.02, 0, 1))
    inside = work.denoise_mask == 1.0
    assert np.abs((work.filled - work.image)[inside].mean()) < 0.002


def test_a_plan_without_a_second_pass_has_none_to_give() -> None:
    plan = plan_inpaint(np.zeros((64, 64, 3), np.uint8), np.full((64, 64), 255, np.uint8), native=64)
    assert plan.hires_size is None
    with pytest.raises(ValueError, match="no second pass"):
        hires_pass(plan, plan.base.image)


def test_the_same_plan_and_seed_give_the_same_bytes() -> None:
    document = as_document(sky(200, 180, 3), "uint8", 3)
    plan = plan_inpaint(document, feathered(200, 180, np.random.default_rng(1)), native=192)
    smooth = np.full_like(plan.base.image, 0.5)
    first, again, other = (finish_inpaint(plan, smooth, seed=seed) for seed in (5, 5, 6))
    assert first.layer.tobytes() == again.layer.tobytes()
    assert first.metrics == again.metrics
    assert first.layer.tobytes() != other.layer.tobytes()


def test_data_is_neither_matched_nor_grained() -> None:
    document = as_document(sky(160, 160, 3), "uint16", 3)
    mask = np.zeros((160, 160), dtype=np.uint8)
    mask[50:110, 50:110] = 255
    plan = plan_inpaint(document, mask, native=160)
    result = finish_inpaint(
        plan, np.full_like(plan.base.image, 0.25), seed=1, match_colour=False, match_grain=False
    )
    assert result.layer[30, 30].tolist() == [16384, 16384, 16384, 65535]


def test_a_flat_patch_in_a_grainy_picture_is_grained() -> None:
    document = as_document(sky(160, 160, 3), "uint8", 3)
    mask = np.zeros((160, 160), dtype=np.uint8)
    mask[50:110, 50:110] = 255
    plan = plan_inpaint(document, mask, native=160)
    result = finish_inpaint(plan, np.full_like(plan.base.image, 0.25), seed=1, match_colour=False)
    assert result.metrics.grain_ratio == pytest.approx(1.0, abs=0.15)
    assert result.layer[20:40, 20:40, :3].std() > 1.0


def test_transparent_parts_are_shown_to_the_model_over_the_background() -> None:
    document = np.zeros((64, 64, 4), dtype=np.uint8)
    document[:, 32:] = (200, 100, 50, 255)
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[0, 0] = 255
    plan = plan_inpaint(document, mask, native=64, fill="none", background=1.0)
    assert plan.base.image[40, 10].tolist() == [1.0, 1.0, 1.0]
    assert plan.base.image[40, 50] == pytest.approx(np.array([200, 100, 50]) / 255)


def test_the_metrics_are_plain_numbers() -> None:
    plan = planned(Selection("everything", np.full((80, 80), 255, np.uint8)), "uint8", 3)
    metrics = finish_inpaint(plan, noise_for(plan), seed=1).metrics.as_dict()
    assert {type(value) for value in metrics.values()} <= {float, int, bool}
    assert np.isfinite(list(metrics.values())).all()


def test_each_bad_request_has_its_code() -> None:
    image, mask = np.zeros((40, 50, 3), np.uint8), np.full((40, 50), 255, np.uint8)
    cases: list[tuple[type[CompositingError], np.ndarray, np.ndarray, str]] = [
        (EmptyMask, image, mask * 0, "border"),
        (MaskSizeMismatch, image, mask[:-1], "border"),
        (UnsupportedRaster, image[:, :, :2], mask, "border"),
        (UnsupportedRaster, image.astype(np.int64), mask, "border"),
        (UnsupportedRaster, image[:0], mask[:0], "border"),
        (UnsupportedRaster, image, mask.astype(np.int32), "border"),
        (UnsupportedRaster, image, np.dstack([mask, mask]), "border"),
        (UnknownFill, image, mask, "magic"),
    ]
    for error, picture, selection, fill in cases:
        with pytest.raises(error) as caught:
            plan_inpaint(picture, selection, native=64, fill=fill)
        assert caught.value.code != CompositingError.code
        assert str(caught.value).endswith(".")


def test_a_broken_generation_is_refused() -> None:
    plan = plan_inpaint(np.zeros((64, 64, 3), np.uint8), np.full((64, 64), 255, np.uint8), native=64)
    good = np.zeros((64, 64, 3), np.float32)
    for bad, words in (
        (np.full_like(good, np.nan), "not a number"),
        (good[:-8], "64×56"),
        (good[:, :, 0], "RGB"),
    ):
        with pytest.raises(BadGeneration, match=words):
            finish_inpaint(plan, bad, seed=1)


def test_strips_leave_no_trace_in_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    document = as_document(sky(310, 290, 3), "uint8", 3)
    mask = ellipse(310, 290, np.random.default_rng(4))
    plan = plan_inpaint(document, mask, native=200)
    generated = noise_for(plan)
    whole = finish_inpaint(plan, generated, seed=5)
    alpha = np.rint(composite_alpha(mask, ramp_px(mask_bounds(mask))) * 255)[whole.box.slices]
    assert np.array_equal(whole.layer[:, :, 3], alpha)
    monkeypatch.setattr(finish, "_STRIP_PIXELS", 310 * 7)
    in_strips = finish_inpaint(plan, generated, seed=5)
    assert in_strips.box == whole.box
    assert np.abs(in_strips.layer.astype(int) - whole.layer).max() <= 1
    assert np.array_equal(in_strips.layer[:, :, 3], whole.layer[:, :, 3])


def test_a_mask_with_holes_that_are_no_numbers_keeps_them() -> None:
    document = as_document(sky(120, 100, 3), "uint8", 3)
    mask = np.zeros((100, 120), dtype=np.float32)
    mask[20:30, 30:60], mask[60:80, 30:60], mask[35:55] = 1.0, 1.0, np.nan
    plan = plan_inpaint(document, mask, native=96, fill="none")
    result = finish_inpaint(plan, noise_for(plan), seed=1)
    after = composite(document, result.layer, result.box.x, result.box.y)
    assert np.array_equal(after[~(mask > 0)], document[~(mask > 0)])


def test_a_large_selection_needs_its_layer_and_little_more() -> None:
    document = np.zeros((3000, 4000, 3), dtype=np.uint8)
    mask = np.full((3000, 4000), 255, dtype=np.uint8)
    mask[0] = 0
    plan = plan_inpaint(document, mask, native=256)
    generated = noise_for(plan)
    tracemalloc.start()
    try:
        result = finish_inpaint(plan, generated, seed=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.layer.nbytes > 47_000_000
    # Two layers (one while trimming to the changed box) and what a strip and the metrics take.
    assert peak < 2 * result.layer.nbytes + 130 * (1 << 20)
