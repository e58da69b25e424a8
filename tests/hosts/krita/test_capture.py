"""What is captured is what the artist sees, in any document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.hosts.krita.harness import Krita
from tests.hosts.krita.pictures import SPACES, Easel, colourful

pytestmark = pytest.mark.usefixtures("closed_afterwards")

WIDTH, HEIGHT = 96, 64


@pytest.mark.parametrize(("model", "depth"), SPACES)
def test_the_picture_as_it_is_seen(krita: Krita, tmp_path: Path, model: str, depth: str) -> None:
    easel = Easel(krita, tmp_path, model=model, depth=depth, width=WIDTH, height=HEIGHT)
    easel.insert(colourful(50, 40), 13, 7)
    seen = easel.seen(0, 0, WIDTH, HEIGHT)
    assert np.ptp(seen[7:47, 13:63, :3]) > 50  # there is something to see
    image = easel.capture((0, 0, WIDTH, HEIGHT))["image"]
    assert np.array_equal(image, seen)


def test_known_colours_of_a_plain_document(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    picture = colourful(WIDTH, HEIGHT)
    krita.call(
        "documents.paint",
        layer=easel.background(),
        file=easel.file(picture[..., [2, 1, 0, 3]]),
        x=0,
        y=0,
        width=WIDTH,
        height=HEIGHT,
    )
    assert np.array_equal(easel.capture((0, 0, WIDTH, HEIGHT))["image"], picture)
    assert np.array_equal(easel.capture((11, 5, 23, 17))["image"], picture[5:22, 11:34])


def test_what_lies_beyond_the_document_is_transparent(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, model="CMYKA", width=WIDTH, height=HEIGHT)
    krita.call("documents.select", boxes=[[0, 0, WIDTH, HEIGHT]])
    captured = easel.capture((-10, -20, 40, 50), mask=True, controls=[easel.background()])
    for key in ("image", "control0"):
        assert not captured[key][:20].any()
        assert not captured[key][:, :10].any()
        assert (captured[key][20:, 10:, 3] == 255).all()
    assert not captured["mask"][:20].any()
    assert not captured["mask"][:, :10].any()
    assert (captured["mask"][20:, 10:] == 255).all()
    outside = easel.capture((WIDTH, 0, 5, 5), mask=True)
    assert not outside["image"].any()
    assert not outside["mask"].any()


def soft_ellipse() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot((x - 40) / 30, (y - 30) / 20)
    return np.clip((1.2 - distance) * 400, 0, 255).astype(np.uint8)


def test_selections_keep_their_softness(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    mask = soft_ellipse()
    assert len(np.unique(mask)) > 30
    krita.call("documents.select", boxes=[], file=easel.file(mask), width=WIDTH, height=HEIGHT)
    captured = easel.capture((0, 0, WIDTH, HEIGHT), mask=True)
    assert np.array_equal(captured["mask"], mask)
    rows, columns = np.nonzero(mask)
    x, y, width, height = easel.scene()["selection"]
    assert (x, y) == (columns.min(), rows.min())
    assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
    part = easel.capture((20, 12, 30, 30), image=False, mask=True)
    assert np.array_equal(part["mask"], mask[12:42, 20:50])
    assert "image" not in part


def test_rectangles_and_islands(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    assert easel.scene()["selection"] is None
    assert not easel.capture((0, 0, WIDTH, HEIGHT), mask=True)["mask"].any()
    krita.call("documents.select", boxes=[[5, 6, 10, 8]])
    assert easel.scene()["selection"] == [5, 6, 10, 8]
    krita.call("documents.select", boxes=[[5, 6, 10, 8], [60, 40, 20, 12]])
    assert easel.scene()["selection"] == [5, 6, 75, 46]
    mask = easel.capture((0, 0, WIDTH, HEIGHT), mask=True)["mask"]
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[6:14, 5:15] = expected[40:52, 60:80] = 255
    assert np.array_equal(mask, expected)
    assert [name for _, name in easel.scene()["layers"]] == ["Background"]  # and not Krita's selection mask
    krita.call("documents.deselect")
    assert easel.scene()["selection"] is None


def test_a_selection_beyond_the_document_ends_at_its_edge(krita: Krita, tmp_path: Path) -> None:
    Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    krita.call("documents.select", boxes=[[-30, 10, 60, 500]])
    assert krita.call("under_test.scene")["selection"] == [0, 10, 30, HEIGHT - 10]
    krita.call("documents.select", boxes=[[WIDTH + 5, 0, 10, 10]])
    assert krita.call("under_test.scene")["selection"] is None


@pytest.mark.parametrize(("model", "depth"), SPACES)
def test_single_layers_in_any_colour_space(krita: Krita, tmp_path: Path, model: str, depth: str) -> None:
    """A layer alone looks as Krita shows it when nothing else is there."""
    easel = Easel(krita, tmp_path, model=model, depth=depth, width=300, height=150)
    layer = krita.call("documents.add", name="native")
    space = krita.call("documents.state")["space"]
    native = np.random.default_rng(3).integers(0, 256, (60, 200, 16), np.uint8)
    if depth in ("F16", "F32"):
        kind, most = (np.float16, 1.0) if depth == "F16" else (np.float32, 100.0 if model != "RGBA" else 1.0)
        channels = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4}[model]
        values = np.linspace(0, 1, 60 * 200 * channels).reshape(60, 200, channels)
        if model == "GRAYA":
            most = 1.0
        values[..., :-1] *= most
        values[..., -1] = 1
        native = values.astype(kind)
    else:
        channels = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4}[model]
        kind = np.uint8 if depth == "U8" else np.uint16
        native = np.random.default_rng(3).integers(
            0, np.iinfo(kind).max, (60, 200, channels), kind, endpoint=True
        )
        native[..., -1] = np.iinfo(kind).max
    krita.call("documents.paint", layer=layer, file=easel.file(native), x=20, y=30, width=200, height=60)
    assert krita.call("documents.state")["space"] == space
    captured = easel.capture((0, 0, 300, 150), controls=[layer, ""])
    seen = easel.seen(0, 0, 300, 150)
    assert np.array_equal(captured["control1"], seen)
    layer_alone = captured["control0"]
    assert (layer_alone[30:90, 20:220, 3] == 255).all()
    difference = np.abs(layer_alone[30:90, 20:220].astype(int) - seen[30:90, 20:220])
    assert difference.max() <= 1
    layer_alone = layer_alone.copy()
    layer_alone[30:90, 20:220] = 0
    assert not layer_alone[..., 3].any()


def test_a_capture_leaves_no_trace(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, model="RGBA", depth="F32", width=WIDTH, height=HEIGHT)
    undo = krita.call("documents.undo_text")
    easel.capture((0, 0, WIDTH, HEIGHT), mask=True, controls=[easel.background()])
    easel.scene()
    krita.call("under_test.remember", document=easel.name, key="history", text="something")
    assert krita.call("documents.undo_text") == undo
    assert not krita.call("documents.state")["modified"]
    assert len(easel.tree()) == 1


def test_a_layer_that_is_gone_is_named(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    answer = easel.capture((0, 0, WIDTH, HEIGHT), controls=["2f1e9c7a-0000-4000-8000-000000000000"])
    assert "layer" in answer["failed"]
    assert answer["answers"] == 1


def test_a_document_closed_in_the_middle(krita: Krita, tmp_path: Path) -> None:
    easel = Easel(krita, tmp_path, model="RGBA", depth="F32", width=2000, height=1500)
    answer = easel.capture((0, 0, 2000, 1500), meanwhile="close")
    assert "closed" in answer["failed"]
    assert answer["answers"] == 1
    assert "closed" in easel.capture((0, 0, 10, 10))["failed"]
