"""What is captured holds the selection and its surroundings, and nothing beyond the document."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from impasto_studio.boxes import SNAP_PX, WHOLE_PX, around, expanded, usual_margins
from impasto_studio.geometry import Box
from impasto_studio.intent import Margins

SIDES = st.integers(1, 16_384)


@st.composite
def selections(draw: st.DrawFn) -> tuple[tuple[int, int], Box]:
    width, height = draw(SIDES), draw(SIDES)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return (width, height), Box(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))


@given(selections(), st.sampled_from([256, 512, 1024]))
def test_the_box_holds_the_selection_inside_the_document(
    case: tuple[tuple[int, int], Box], native: int
) -> None:
    size, selection = case
    box, whole = around(selection, size, native), Box(0, 0, *size)
    assert box is not None
    assert box.common(selection) == selection
    assert whole.common(box) == box


@given(selections(), st.sampled_from([256, 512, 1024]))
def test_the_model_sees_enough_of_the_picture(case: tuple[tuple[int, int], Box], native: int) -> None:
    size, selection = case
    box = around(selection, size, native)
    assert box is not None
    if size[0] * size[1] <= WHOLE_PX:
        assert box == Box(0, 0, *size)
        return
    margin = max(max(selection.size) // 2, 256)
    for side, least, limit in zip(box.size, selection.size, size, strict=True):
        assert side >= min(native, limit)
        assert side <= max(least + 2 * margin, native) + 4 * SNAP_PX
    assert box.x <= max(0, selection.x - margin)
    assert box.right >= min(size[0], selection.right + margin)
    assert box.y <= max(0, selection.y - margin)
    assert box.bottom >= min(size[1], selection.bottom + margin)
    assert box.x % SNAP_PX == 0
    assert box.y % SNAP_PX == 0


def test_a_small_move_of_the_selection_keeps_the_box() -> None:
    size = (12_000, 15_000)
    assert around(Box(5_000, 5_000, 300, 200), size, 512) == around(Box(5_003, 4_999, 300, 200), size, 512)


def test_a_selection_outside_has_no_box() -> None:
    assert around(Box(100, 0, 5, 5), (100, 100), 512) is None


def test_a_selection_that_reaches_beyond_counts_inside() -> None:
    box = around(Box(-50, -50, 100, 100), (12_000, 15_000), 512)
    assert box == Box(0, 0, 512, 512)


def test_without_margins_a_quarter_is_added_all_around() -> None:
    assert usual_margins((400, 201), Margins()) == Margins(100, 50, 100, 50)
    assert usual_margins((2, 2), Margins()) == Margins(1, 1, 1, 1)
    assert expanded((400, 200), Margins(right=7)) == Box(0, 0, 407, 200)
    assert expanded((400, 200), Margins(1, 2, 3, 4)) == Box(-1, -2, 404, 206)
