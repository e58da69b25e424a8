"""Pocket, live: what is sketched stays where it is sketched, and is what the prompt says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from impasto_protocol.messages import LiveControl, LiveRequest, Lora

from tools.pocket import judge

pytestmark = pytest.mark.model

SIDE = 256
REQUEST = LiveRequest("sketch", "a red circle on a blue background", seed=3)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from impasto_server.engine.diffusion import DiffusionEngine

    return DiffusionEngine(device="cpu", home=tmp_path_factory.mktemp("home"))


def sketch(x: float, y: float, colour: tuple[int, int, int] = (190, 50, 45), radius: float = 0.18) -> Any:
    """A flat disc at (x, y), as shares of the side, on blue."""
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    pixels = np.full((SIDE, SIDE, 3), (50, 70, 190), np.uint8)
    pixels[np.hypot(columns - x, rows - y) < radius] = colour
    return pixels


def shown(sitting: Any, *inputs: Any, refined: bool = False) -> Any:
    image, mask, *controls = inputs if len(inputs) > 1 else (*inputs, None)
    return sitting.paint(image, mask, controls, lambda done, steps: True, refined=refined).pixels.copy()


def found(pixels: Any) -> Any:
    return judge.objects(pixels)[0]


@pytest.mark.parametrize("refined", [False, True])
def test_a_sketched_disc_stays_a_disc_and_follows_the_pen(engine: Any, refined: bool) -> None:
    sitting = engine.sit(REQUEST, lambda: None)
    for x, y in ((0.35, 0.4), (0.5, 0.45), (0.65, 0.6)):
        pixels = shown(sitting, sketch(x, y), refined=refined)
        disc = found(pixels)
        assert judge.background_of(pixels) == "blue"
        assert disc.colour == "red"
        assert judge.shape_of(disc.mask) == "circle"
        assert disc.centre == pytest.approx((x, y), abs=0.04)


def test_strength_takes_the_sketch_s_colour_to_the_prompt_s(engine: Any) -> None:
    inside = np.hypot(*((np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE - 0.5)) < 0.12
    reds, greens = [], []
    for strength in (0.1, 0.2, 0.4, 0.6):
        sitting = engine.sit(replace(REQUEST, strength=strength), lambda: None)
        pixels = shown(sitting, sketch(0.5, 0.5, (240, 215, 60)))  # a yellow disc
        reds.append(judge.share_of(pixels, inside, "red"))
        greens.append(pixels[inside][:, 1].mean())
    assert reds[0] < 0.2
    assert reds[-1] > 0.8
    assert greens == sorted(greens, reverse=True)


def test_a_few_steps_show_what_many_would(engine: Any) -> None:
    """The quick preview promises what refining keeps."""
    sitting = engine.sit(REQUEST, lambda: None)
    quick, fine = (shown(sitting, sketch(0.4, 0.5), refined=refined) for refined in (False, True))
    assert np.abs(quick.astype(int) - fine).mean() < 8


def test_half_precision_costs_no_picture(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto_server.engine import live_parts

    quick = shown(engine.sit(REQUEST, lambda: None), sketch(0.4, 0.5))
    monkeypatch.setattr(live_parts, "can_pack", lambda: False)
    engine._live.ateliers.clear()
    exact = shown(engine.sit(REQUEST, lambda: None), sketch(0.4, 0.5))
    engine._live.ateliers.clear()
    assert np.abs(quick.astype(int) - exact).mean() < 2


def test_a_selection_a_control_and_a_lora_work_together(engine: Any) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, : SIDE // 2] = 255
    lines = np.zeros((SIDE, SIDE), np.uint8)
    rows, columns = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    lines[np.abs(np.hypot(columns - 0.25, rows - 0.5) - 0.16) < 0.01] = 255
    request = replace(
        REQUEST,
        mask="selection",
        controls=(LiveControl("scribble", "lines"),),
        loras=(Lora("pencil", 0.3),),
        strength=0.9,
    )
    given = sketch(0.75, 0.5)
    pixels = shown(engine.sit(request, lambda: None), given, mask, lines)
    assert np.array_equal(pixels[mask == 0], given[mask == 0])
    ring = np.hypot(columns - 0.25, rows - 0.5)
    inside, outside = pixels[ring < 0.13].astype(int).mean(0), pixels[(ring > 0.2) & (columns < 0.45)].mean(0)
    assert np.abs(inside - outside).max() > 30  # something stands within the line that is not around it
