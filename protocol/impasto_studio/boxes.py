"""Which part of a document is captured for a job."""

from typing import Optional, Tuple

from impasto_studio.geometry import Box
from impasto_studio.intent import Margins

__all__ = ["SNAP_PX", "WHOLE_PX", "around", "expanded", "usual_margins"]

WHOLE_PX = 2048 * 2048  # up to this area the whole document is sent: then strokes elsewhere cost a tile each
SNAP_PX = 64  # the canvas' tiles: a selection that moves a little keeps its box, and so its canvas
_LEAST_MARGIN_PX = 256
_USUAL_SHARE = 4  # of a side, when "expand" is asked for without margins


def around(selection: Box, size: Tuple[int, int], native_px: int) -> Optional[Box]:
    """What the server needs to see for repainting `selection` in a document of `size`: the whole document if
    it is small, else surroundings of half the selection's longer side or 256 px, and no less in all than the
    model's own size. None when the selection lies outside of the document.
    """
    whole = Box(0, 0, *size)
    inside = selection.common(whole)
    if inside is None or whole.area <= WHOLE_PX:
        return None if inside is None else whole
    margin = max(max(inside.size) // 2, _LEAST_MARGIN_PX)
    x, right = _span(inside.x - margin, inside.right + margin, native_px, size[0])
    y, bottom = _span(inside.y - margin, inside.bottom + margin, native_px, size[1])
    return Box(x, y, right - x, bottom - y)


def _span(low: int, high: int, least: int, limit: int) -> Tuple[int, int]:
    """low … high snapped outwards, at least `least` long where 0 … `limit` permits, and inside of that."""
    missing = max(0, least - (high - low))
    low, high = low - missing // 2, high + (missing + 1) // 2
    if low < 0:
        high = max(high, min(least, limit))
    if high > limit:
        low = min(low, max(0, limit - least))
    return max(0, low // SNAP_PX * SNAP_PX), min(limit, -(-high // SNAP_PX) * SNAP_PX)


def usual_margins(size: Tuple[int, int], margins: Margins) -> Margins:
    """The margins; a quarter of the side all around when all are zero."""
    if any(margins):
        return margins
    across, down = max(1, size[0] // _USUAL_SHARE), max(1, size[1] // _USUAL_SHARE)
    return Margins(across, down, across, down)


def expanded(size: Tuple[int, int], margins: Margins) -> Box:
    """A document of `size` with margins, in its present coordinates."""
    return Box(0, 0, *size).grown(*usual_margins(size, margins))
