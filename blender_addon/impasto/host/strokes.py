"""Undo for pixels that Python writes: Blender's own undo remembers everything of an image but its pixels.

Each change gives the image a number in a custom property, which undo and redo do take along; afterwards the
pixels follow the number.
"""

from dataclasses import dataclass
from itertools import count
from typing import Any

import bpy
import numpy
from bpy.app.handlers import persistent
from impasto_studio.geometry import Box

from .pixels import floats_of, put_floats, sizes_of

__all__ = ["Strokes"]

NUMBER = "impasto stroke"
MOST_BYTES = 256 << 20

_numbers = count(1)


@dataclass(frozen=True, eq=False)
class _Stroke:
    image: str
    size: tuple[int, int]
    box: Box
    before: numpy.ndarray  # (h, w, C) float32
    after: numpy.ndarray
    number: int
    last: int  # number before


class Strokes:
    """Owned by the image host."""

    def __init__(self) -> None:
        self._strokes: list[_Stroke] = []  # in the order they were made
        self._at: dict[str, int] = {}  # number of what an image shows
        self._handler = persistent(lambda *_: self._follow())

    def put(self, image: Any, floats: numpy.ndarray, box: Box, part: numpy.ndarray) -> None:
        """Writes a part of an image, whose values are `floats` now: they are taken over, and changed. The
        caller makes the undo step after."""
        last = int(image.get(NUMBER, 0))
        # What was undone cannot come again.
        gone = self._newer(image.name, last)
        self._strokes = [stroke for stroke in self._strokes if stroke not in gone]
        number = next(_numbers)
        before = floats[box.y : box.bottom, box.x : box.right].copy()
        stroke = _Stroke(image.name, sizes_of(image), box, before, part, number, last)
        floats[box.y : box.bottom, box.x : box.right] = part
        put_floats(image, floats)
        image[NUMBER] = number
        self._at[image.name] = number
        self._strokes.append(stroke)
        while sum(one.before.nbytes + one.after.nbytes for one in self._strokes[:-1]) > MOST_BYTES:
            self._strokes.pop(0)
        for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
            if self._handler not in handlers:
                handlers.append(self._handler)

    def close(self) -> None:
        self._strokes.clear()
        for handlers in (bpy.app.handlers.undo_post, bpy.app.handlers.redo_post):
            if self._handler in handlers:
                handlers.remove(self._handler)

    def _newer(self, name: str, number: int) -> list[_Stroke]:
        """Those that lead on from `number`, the next one first."""
        found: list[_Stroke] = []
        for stroke in self._strokes:
            if stroke.image == name and stroke.last == number:
                found.append(stroke)
                number = stroke.number
        return found

    def _follow(self) -> None:
        """After an undo or a redo."""
        for name in {stroke.image for stroke in self._strokes}:
            image = bpy.data.images.get(name)
            if image is None:
                continue
            wanted, now = int(image.get(NUMBER, 0)), self._at.get(name, 0)
            if wanted == now:
                continue
            for stroke, part in self._way(name, now, wanted):
                if sizes_of(image) == stroke.size:
                    floats, box = floats_of(image), stroke.box
                    floats[box.y : box.bottom, box.x : box.right] = part
                    put_floats(image, floats)
            self._at[name] = wanted

    def _way(self, name: str, now: int, wanted: int) -> list[tuple[_Stroke, numpy.ndarray]]:
        """The parts to be put, one after another."""
        forward = self._newer(name, now)
        numbers = [stroke.number for stroke in forward]
        if wanted in numbers:
            return [(stroke, stroke.after) for stroke in forward[: numbers.index(wanted) + 1]]
        back = self._newer(name, wanted)
        numbers = [stroke.number for stroke in back]
        if now in numbers:
            return [(stroke, stroke.before) for stroke in reversed(back[: numbers.index(now) + 1])]
        return []  # further back than we remember
