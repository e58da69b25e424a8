"""A preview lies where its pixels are, whatever the artist does to the view, and the document knows nothing
of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hosts.krita import harness
from tests.hosts.krita.harness import Krita
from tests.hosts.krita.pictures import Easel

WIDTH, HEIGHT = 400, 300
MARKS = [(60, 60), (320, 70), (90, 230), (300, 220)]  # document pixels
PAINTED = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255)]
SHOWN = [(0, 255, 255), (0, 0, 0), (255, 255, 0), (255, 128, 0)]
VIEWS: list[dict[str, Any]] = [
    {"percent": 100},
    {"percent": 100, "pan": [61, -37]},
    {"percent": 63, "pan": [40, -30]},
    {"percent": 150, "pan": [40, 30]},
    {"percent": 100, "rotation": 30.0},
    {"percent": 80, "rotation": 30.0, "pan": [33, -21]},
    {"percent": 100, "mirrored": True, "pan": [-20, 10]},
    {"percent": 120, "rotation": 30.0, "mirrored": True},
    {"percent": 120, "rotation": -75.0, "mirrored": True, "pan": [5, 9]},
]
NEAR_PX = 1.5  # of the screen


@pytest.fixture(scope="module", params=[1, 2], ids=["1x", "2x"])
def krita(
    request: pytest.FixtureRequest, krita_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Krita]:
    """Krita at usual and at doubled scale."""
    home = harness.throw_away(krita_cache, tmp_path_factory.mktemp("krita") / "home")
    scale = request.param
    running = Krita(
        home, plugin=None, environment={"QT_SCALE_FACTOR": str(scale)}, size=(1200 * scale, 800 * scale)
    )
    try:
        running.call("canvases.fill_screen", width=1180, height=780)
        yield running
        assert running.quit() == 0, running.stderr[-2000:]
    finally:
        running.kill()


def marked(half_px: int, colours: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Transparent, with squares at the marks."""
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    for (x, y), colour in zip(MARKS, colours, strict=True):
        picture[y - half_px : y + half_px, x - half_px : x + half_px] = (*colour, 255)
    return picture


def painted() -> np.ndarray:
    """What is in the document: large squares on white."""
    picture = marked(12, PAINTED)
    picture[picture[..., 3] == 0] = 255
    return picture


def on_screen(easel: Easel, colours: Sequence[tuple[int, int, int]]) -> dict[Any, tuple[float, float]]:
    """Middles of the squares of these colours on the screen, in its pixels; only of those that are there
    whole."""
    width, height = easel.krita.call("canvases.grab", file=str(easel.folder / "grab"))
    shot = np.frombuffer((easel.folder / "grab").read_bytes(), np.uint8).reshape(height, width, 4)[..., :3]
    middles = {}
    for mark, colour in zip(MARKS, colours, strict=True):
        rows, columns = np.nonzero((np.abs(shot.astype(np.int16) - colour) < 30).all(-1))
        if len(rows):
            top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
            if top > 0 and left > 0 and bottom < height - 1 and right < width - 1:
                middles[mark] = ((left + right) / 2, (top + bottom) / 2)
    return middles


def paint(easel: Easel, picture: np.ndarray) -> None:
    file = easel.file(picture[..., [2, 1, 0, 3]])
    easel.krita.call(
        "documents.paint", layer=easel.background(), file=file, x=0, y=0, width=WIDTH, height=HEIGHT
    )


def preview(
    easel: Easel, picture: np.ndarray | None, box: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT)
) -> Any:
    height, width = picture.shape[:2] if picture is not None else (0, 0)
    return easel.krita.call(
        "under_test.preview",
        document=easel.name,
        box=list(box),
        width=width,
        height=height,
        format="rgba8" if picture is None or picture.shape[2] == 4 else "rgb8",
        file=None if picture is None else easel.file(picture),
    )


@pytest.fixture
def easel(krita: Krita, tmp_path: Path) -> Iterator[Easel]:
    easel = Easel(krita, tmp_path, width=WIDTH, height=HEIGHT)
    yield easel
    preview(easel, None)
    krita.call("documents.close")


def test_it_stays_on_its_pixels(easel: Easel) -> None:
    """While zoom, pan, rotation and mirroring change under it."""
    paint(easel, painted())
    assert preview(easel, marked(5, SHOWN)) is True
    for view in VIEWS:
        easel.krita.call("canvases.turn", **view)
        easel.krita.call("canvases.wait", seconds=0.15)
        in_document, shown = on_screen(easel, PAINTED), on_screen(easel, SHOWN)
        assert len(in_document) >= 2, view
        for mark, (x, y) in in_document.items():
            assert np.hypot(x - shown[mark][0], y - shown[mark][1]) <= NEAR_PX, (
                view,
                mark,
                in_document,
                shown,
            )
    assert preview(easel, None) is True
    easel.krita.call("canvases.wait", seconds=0.15)
    assert not on_screen(easel, SHOWN)


def test_a_small_preview_covers_its_box(easel: Easel) -> None:
    """A picture of another size is stretched over the box."""
    easel.krita.call("canvases.turn", percent=100)
    paint(easel, painted())
    picture = marked(8, SHOWN)
    picture[picture[..., 3] == 0] = 255
    preview(easel, np.ascontiguousarray(picture[40:260:2, 40:360:2, :3]), (40, 40, 320, 220))
    easel.krita.call("canvases.wait", seconds=0.15)
    shown = on_screen(easel, SHOWN)
    assert not on_screen(easel, PAINTED)
    preview(easel, None)
    easel.krita.call("canvases.wait", seconds=0.15)
    in_document = on_screen(easel, PAINTED)
    assert len(in_document) == len(MARKS)
    for mark, (x, y) in in_document.items():
        assert np.hypot(x - shown[mark][0], y - shown[mark][1]) <= NEAR_PX


def test_the_document_knows_nothing_of_it(easel: Easel) -> None:
    paint(easel, np.full((HEIGHT, WIDTH, 4), 255, np.uint8))
    undo, tree = easel.krita.call("documents.undo_text"), easel.tree()
    assert preview(easel, marked(5, SHOWN)) is True
    easel.krita.call("canvases.wait", seconds=0.1)
    assert easel.krita.call("canvases.panes") == [1, True]  # and clicks go through
    assert (easel.capture((0, 0, WIDTH, HEIGHT))["image"] == 255).all()
    assert easel.krita.call("documents.undo_text") == undo
    assert easel.tree() == tree
    assert not easel.krita.call("documents.state")["modified"]


def test_another_document_in_front(easel: Easel) -> None:
    """The preview stays with its document, and ends with it."""
    preview(easel, marked(5, SHOWN))
    second = Easel(easel.krita, easel.folder, width=WIDTH, height=HEIGHT)
    second.krita.call("canvases.wait", seconds=0.2)
    assert second.krita.call("canvases.panes") == [0, True]
    assert preview(easel, marked(5, SHOWN)) is False
    second.krita.call("documents.close")
    assert preview(easel, marked(5, SHOWN)) is True
    easel.krita.call("documents.close")
    easel.krita.call("canvases.wait", seconds=0.2)
    assert preview(easel, marked(5, SHOWN)) is False
    easel.krita.call("documents.make")  # for the fixture to close
